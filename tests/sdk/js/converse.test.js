// Converse and ConverseStream through the unmodified JavaScript SDK: over HTTP/2 with prior
// knowledge, which it speaks to http:// endpoints by default, and over HTTP/1.1.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

import { assistant, fold, text, tool, user } from "./conversation.js";
import { eventually, helan } from "./processes.js";

const R1 = "deepseek.r1-v1:0";
const QWEN = "qwen.qwen3-32b-v1:0";
const GPT_OSS = "openai.gpt-oss-120b-1:0";
const MAVERICK = "meta.llama4-maverick-17b-instruct-v1:0";
const MODELS = [R1, QWEN, GPT_OSS, MAVERICK];
const POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀";
const THOUGHT = "The user asks for mountains. 贺兰山 is one. 🏔️";
const PNG = Buffer.from(
  "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02" +
    "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082",
  "hex",
);
const TOOLS = [tool("get_weather", { city: { type: "string" } }), tool("now", {})];

const handlers = [
  ["HTTP/2 by prior knowledge", () => ({}), "h2"],
  ["HTTP/1.1", () => ({ requestHandler: new NodeHttpHandler() }), "http/1.1"],
];

for (const [protocol, options, name] of handlers) {
  describe(protocol, () => {
    let running, client;
    const connect = (more = {}) =>
      new BedrockRuntimeClient({
        region: "cn-northwest-1",
        endpoint: running.url,
        credentials: { accessKeyId: "AKIDDEMO", secretAccessKey: "demo-secret-key" },
        maxAttempts: 1,
        ...options(),
        ...more,
      });
    before(async () => {
      running = await helan();
      client = connect();
    });
    after(async () => {
      client?.destroy();
      await running?.stop();
    });
    const converse = (question, more = {}) =>
      client.send(new ConverseCommand({ modelId: QWEN, messages: [user(question)], ...more }));
    const stream = async (question, more = {}) => {
      const command = new ConverseStreamCommand({
        modelId: QWEN,
        messages: [user(question)],
        ...more,
      });
      return (await client.send(command)).stream;
    };

    test("the handler is the one that is meant", () => {
      assert.equal(client.config.requestHandler.metadata.handlerProtocol, name);
    });

    for (const modelId of MODELS) {
      test(`text from ${modelId}`, async () => {
        const answer = await converse("Hello", { modelId });
        assert.equal(text(answer), "You said: Hello");
        assert.equal(answer.stopReason, "end_turn");
        const { inputTokens, outputTokens, totalTokens } = answer.usage;
        assert.ok(inputTokens > 0 && outputTokens > 0);
        assert.equal(totalTokens, inputTokens + outputTokens);
        assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
      });

      test(`a stream from ${modelId}`, async () => {
        const seen = [];
        const answer = await fold(await stream("#chinese", { modelId }), seen);
        assert.equal(text(answer), POEM);
        assert.equal(answer.role, "assistant");
        assert.equal(answer.stopReason, "end_turn");
        assert.ok(answer.usage.outputTokens > 0);
        assert.deepEqual(Object.keys(seen[0]), ["messageStart"]);
        assert.deepEqual(Object.keys(seen.at(-1)), ["metadata"]);
      });

      test(`reasoning from ${modelId}`, async () => {
        const [first, second] = (await converse("#think", { modelId })).output.message.content;
        const thought = modelId === R1 ? second : first;
        assert.equal(thought.reasoningContent.reasoningText.text, THOUGHT);
        const streamed = (await fold(await stream("#think", { modelId }))).output.message.content;
        assert.equal(streamed[0].reasoning, THOUGHT);
        assert.match(streamed[1].text, /^贺兰山 \(Helan/);
      });
    }

    test("several turns and a system prompt", async () => {
      const answer = await converse("", {
        system: [{ text: "You are a pirate. #persona" }],
        messages: [user("Hi"), assistant("Arr"), user("Who are you?")],
      });
      assert.equal(text(answer), "Arr, said the qwen3-32b.");
      const roles = (await running.sent()).messages.map((message) => message.role);
      assert.deepEqual(roles, ["system", "user", "assistant", "user"]);
    });

    test("tools: automatic, and the whole round", async () => {
      const toolConfig = { tools: TOOLS };
      const called = await converse("#weather", { toolConfig });
      assert.equal(called.stopReason, "tool_use");
      const use = called.output.message.content.find((part) => part.toolUse).toolUse;
      assert.deepEqual(use.input, { city: "银川", days: 2 });
      const toolResult = { toolUseId: use.toolUseId, content: [{ json: { c: 21 } }] };
      const answer = await converse("", {
        toolConfig,
        messages: [user("#weather"), called.output.message, user({ toolResult })],
      });
      assert.equal(text(answer), 'The tool said: {"c":21}');
    });

    test("tools: any, named, parallel, without arguments", async () => {
      const uses = async (question, toolChoice) =>
        (await converse(question, { toolConfig: { tools: TOOLS, toolChoice } })).output.message
          .content.filter((part) => part.toolUse)
          .map((part) => part.toolUse);
      assert.ok((await uses("Anything", { any: {} })).length >= 1);
      const [named] = await uses("Anything", { tool: { name: "now" } });
      assert.equal(named.name, "now");
      const cities = (await uses("#both-cities")).map((use) => use.input.city);
      assert.deepEqual(cities, ["银川", "中卫"]);
      assert.deepEqual((await uses("#time"))[0].input, {});
    });

    test("streamed tools", async () => {
      const toolConfig = { tools: TOOLS };
      const both = await fold(await stream("#both-cities", { toolConfig }));
      assert.equal(both.stopReason, "tool_use");
      const inputs = both.output.message.content.map((part) => JSON.parse(part.toolUse.input));
      assert.deepEqual(inputs, [{ city: "银川" }, { city: "中卫" }]);
      const [none] = (await fold(await stream("#time", { toolConfig }))).output.message.content;
      assert.deepEqual(JSON.parse(none.toolUse.input), {});
    });

    test("images", async () => {
      const image = { format: "png", source: { bytes: PNG } };
      const answer = await converse("", {
        modelId: MAVERICK,
        messages: [user("What is this?", { image })],
      });
      assert.equal(text(answer), "I see 1 image(s).");
    });

    test("stop sequences and the length", async () => {
      const stopped = await converse("#stops", { inferenceConfig: { stopSequences: ["HALT"] } });
      assert.equal(stopped.stopReason, "stop_sequence");
      assert.equal(text(stopped).trimEnd(), "alpha beta");
      const short = await fold(await stream("#count", { inferenceConfig: { maxTokens: 3 } }));
      assert.equal(short.stopReason, "max_tokens");
    });

    test("every spelling of a model id", async () => {
      for (const modelId of [
        `us.${R1}`,
        `arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.${R1}`,
        "arn:aws-cn:bedrock:cn-northwest-1:123456789012:imported-model/abcdefghijkl",
        "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/open-model",
      ]) {
        assert.equal(text(await converse("Hello", { modelId })), "You said: Hello", modelId);
      }
    });

    test("errors", async () => {
      const failing = [
        ["Hello", { modelId: "nobody.knows-v1:0" }, "ValidationException", 400],
        ["Hello", { modelId: "suite.missing" }, "ResourceNotFoundException", 404],
        ["  ", {}, "ValidationException", 400],
        ["#throttled-always", {}, "ThrottlingException", 429],
        ["#not-ready", {}, "ModelNotReadyException", 429],
        ["#unavailable", {}, "ServiceUnavailableException", 503],
        ["#model-error", {}, "ModelErrorException", 424],
        ["#overflow", {}, "ValidationException", 400],
      ];
      for (const [question, more, kind, status] of failing) {
        for (const call of [converse, stream]) {
          await assert.rejects(call(question, more), (error) => {
            assert.equal(error.name, kind, question);
            assert.equal(error.$metadata.httpStatusCode, status);
            assert.ok(error.message);
            return true;
          });
        }
      }
    });

    test("a failure within a stream", async () => {
      for (const question of ["#error-event", "#truncated", "#stream-broken"]) {
        const seen = [];
        await assert.rejects(fold(await stream(question), seen), (error) => {
          assert.equal(error.name, "ModelStreamErrorException", question);
          return true;
        });
        assert.ok(seen[0].messageStart && seen.some((event) => event.contentBlockDelta));
        assert.ok(!seen.some((event) => event.messageStop));
      }
    });

    test("keys that nobody has", async () => {
      const refused = [
        [{ accessKeyId: "AKIDDEMO", secretAccessKey: "wrong" }, "InvalidSignatureException"],
        [{ accessKeyId: "AKIDNOBODY", secretAccessKey: "x" }, "UnrecognizedClientException"],
      ];
      for (const [credentials, kind] of refused) {
        const stranger = connect({ credentials });
        const command = new ConverseCommand({ modelId: QWEN, messages: [user("Hello")] });
        await assert.rejects(stranger.send(command), { name: kind });
        stranger.destroy();
      }
    });

    test("a session's keys", async () => {
      const session = connect({
        credentials: {
          accessKeyId: "AKIDSESSION",
          secretAccessKey: "session-secret-key",
          sessionToken: "session-token",
        },
      });
      const command = new ConverseCommand({ modelId: QWEN, messages: [user("Hello")] });
      assert.equal(text(await session.send(command)), "You said: Hello");
      session.destroy();
    });

    test("a bearer key", async () => {
      const bearer = (token) =>
        connect({
          credentials: undefined,
          token: { token },
          authSchemePreference: ["httpBearerAuth"],
        });
      const command = new ConverseCommand({ modelId: QWEN, messages: [user("Hello")] });
      const known = bearer("helan-suite-bearer-key");
      assert.equal(text(await known.send(command)), "You said: Hello");
      known.destroy();
      const unknown = bearer("another-key");
      await assert.rejects(unknown.send(command), { name: "AccessDeniedException" });
      unknown.destroy();
    });

    test("leaving a stream ends the work upstream", async () => {
      const before = await running.calls();
      const caller = connect();
      const abort = new AbortController();
      const command = new ConverseStreamCommand({ modelId: QWEN, messages: [user("#stall")] });
      const { stream } = await caller.send(command, { abortSignal: abort.signal });
      let heard = "";
      for await (const event of stream) {
        heard += event.contentBlockDelta?.delta.text ?? "";
        if (heard.trim()) break;
      }
      assert.ok("one two three four five six seven eight".startsWith(heard));
      assert.equal((await running.calls()).completed, before.completed);
      abort.abort();
      caller.destroy();
      await eventually(
        "the upstream call is cancelled",
        async () => (await running.calls()).cancelled === before.cancelled + 1,
      );
    });

    test("many calls at once", async () => {
      const questions = Array.from({ length: 20 }, (_, index) => `Hello ${index}`);
      const answers = await Promise.all(questions.map((question) => converse(question)));
      assert.deepEqual(
        answers.map(text),
        questions.map((question) => `You said: ${question}`),
      );
    });
  });
}
