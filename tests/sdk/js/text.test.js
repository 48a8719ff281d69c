// Containers of text through the unmodified JavaScript SDK: a rendered prompt goes down, what the
// model wrote comes up parsed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";

import { assistant, fold, text, tool, user } from "./conversation.js";
import { helan } from "./processes.js";

const POEM = "贺兰山下果园成，塞北江南旧有名。👩‍🚀🏔️ 𠀀";
const SYSTEM = [{ text: "You are a pirate." }];
const TURNS = [user("Hi"), assistant("Arr"), user("#heard?")];
const CHATML =
  "<|im_start|>system\nYou are a pirate.<|im_end|>\n" +
  "<|im_start|>user\nHi<|im_end|>\n" +
  "<|im_start|>assistant\nArr<|im_end|>\n" +
  "<|im_start|>user\n#heard?<|im_end|>\n" +
  "<|im_start|>assistant\n";
const MISTRAL = "<s>[INST] Hi[/INST] Arr</s>[INST] You are a pirate.\n\n#heard?[/INST]";
const TOOLS = [tool("get_weather", { city: { type: "string" }, days: { type: "integer" } })];

describe("containers of text", () => {
  let running, client;
  before(async () => {
    running = await helan();
    client = new BedrockRuntimeClient({
      region: "cn-northwest-1",
      endpoint: running.url,
      credentials: { accessKeyId: "AKIDDEMO", secretAccessKey: "demo-secret-key" },
      maxAttempts: 1,
    });
  });
  after(async () => {
    client?.destroy();
    await running?.stop();
  });
  const ways = {
    Converse: async (input) => client.send(new ConverseCommand(input)),
    ConverseStream: async (input) =>
      fold((await client.send(new ConverseStreamCommand(input))).stream),
  };

  for (const contract of ["completions", "tgi", "lmi", "rolling", "hf"]) {
    for (const [name, way] of Object.entries(ways)) {
      const modelId = `text.${contract}`;
      const ask = (question, more = {}) => way({ modelId, messages: [user(question)], ...more });

      test(`${contract}, ${name}: text`, async () => {
        const answer = await ask("#chinese");
        assert.equal(text(answer), POEM);
        assert.equal(answer.stopReason, "end_turn");
        assert.equal(answer.usage.outputTokens > 0, contract !== "hf");
      });

      test(`${contract}, ${name}: the prompt`, async () => {
        const answer = await ask("", { system: SYSTEM, messages: TURNS });
        assert.equal(text(answer), "Heard.");
        assert.equal(await running.prompt(), CHATML);
      });

      test(`${contract}, ${name}: reasoning`, async () => {
        const [thought, said] = (await ask("#think")).output.message.content;
        const words = thought.reasoning ?? thought.reasoningContent.reasoningText.text;
        assert.equal(words.trim(), "The user asks for mountains. 贺兰山 is one. 🏔️");
        assert.equal(said.text, "贺兰山 (Helan Mountain) rises above Yinchuan.");
      });

      test(`${contract}, ${name}: limits`, async () => {
        const stopped = await ask("#stops", { inferenceConfig: { stopSequences: ["HALT"] } });
        assert.equal(text(stopped).trimEnd(), "alpha beta");
        assert.equal(stopped.stopReason, "stop_sequence");
        const short = await ask("#count", { inferenceConfig: { maxTokens: 3, temperature: 0, topP: 1 } });
        assert.equal(text(short), "one two three");
        // The toolkit never says why it ended.
        assert.equal(short.stopReason, contract === "hf" ? "end_turn" : "max_tokens");
      });

      test(`${contract}, ${name}: a call`, async () => {
        const answer = await ask("#weather", { toolConfig: { tools: TOOLS } });
        assert.equal(answer.stopReason, "tool_use");
        const { input } = answer.output.message.content.find((part) => part.toolUse).toolUse;
        const read = typeof input === "string" ? JSON.parse(input) : input;
        assert.deepEqual(read, { city: "银川", days: 2 });
      });
    }

    test(`${contract}: an error inside 200`, async () => {
      const input = { modelId: `text.${contract}`, messages: [user("#error-first")] };
      await assert.rejects(ways.Converse(input), { name: "ModelErrorException" });
      await assert.rejects(ways.ConverseStream(input), { name: "ModelStreamErrorException" });
    });
  }

  for (const [name, way] of Object.entries(ways)) {
    test(`${name}: the model reads one BOS`, async () => {
      await way({ modelId: "text.mistral", system: SYSTEM, messages: TURNS });
      assert.equal(await running.prompt(), MISTRAL);
    });

    test(`${name}: a refusal with 422`, async () => {
      const input = {
        modelId: "text.tgi",
        messages: [user("Hello")],
        additionalModelRequestFields: { top_k: 0 },
      };
      await assert.rejects(way(input), (error) => {
        assert.equal(error.name, "ValidationException");
        assert.match(error.message, /`top_k` must be strictly positive/);
        return true;
      });
    });
  }
});
