// InvokeModel and its stream through the unmodified JavaScript SDK, over HTTP/2 and HTTP/1.1.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  BedrockRuntimeClient,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

import { helan } from "./processes.js";

const R1 = "us.deepseek.r1-v1:0";
const MAVERICK = "meta.llama4-maverick-17b-instruct-v1:0";

const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

const handlers = [
  ["HTTP/2 by prior knowledge", () => ({})],
  ["HTTP/1.1", () => ({ requestHandler: new NodeHttpHandler() })],
];

for (const [name, handler] of handlers) {
  describe(`native bodies over ${name}`, () => {
    let processes;
    let client;

    before(async () => {
      processes = await helan();
      client = new BedrockRuntimeClient({
        region: "cn-northwest-1",
        endpoint: processes.url,
        credentials: { accessKeyId: "AKIDDEMO", secretAccessKey: "demo-secret-key" },
        maxAttempts: 1,
        ...handler(),
      });
    });
    after(async () => {
      client?.destroy();
      await processes?.stop();
    });

    const invoke = async (modelId, body, more = {}) => {
      const answer = await client.send(
        new InvokeModelCommand({ modelId, body: JSON.stringify(body), ...more }),
      );
      return { ...answer, body: read(answer.body) };
    };
    const stream = async (modelId, body) => {
      const answer = await client.send(
        new InvokeModelWithResponseStreamCommand({ modelId, body: JSON.stringify(body) }),
      );
      assert.equal(answer.contentType, "application/json");
      const chunks = [];
      for await (const event of answer.body) chunks.push(read(event.chunk.bytes));
      return chunks;
    };

    test("a prompt is answered in the provider's words", async () => {
      const prompt = "<｜begin▁of▁sentence｜><｜User｜>Where?<｜Assistant｜><think>\n";
      const answer = await invoke(R1, { prompt, max_tokens: 64 });
      assert.equal(answer.contentType, "application/json");
      assert.equal(answer.body.choices[0].stop_reason, "stop");
      assert.match(answer.body.choices[0].text, /Where\?/);
      const chunks = await stream(R1, { prompt, max_tokens: 64 });
      const said = chunks.map((chunk) => chunk.choices[0].text).join("");
      assert.equal(said, answer.body.choices[0].text);
      assert.ok(chunks.at(-1)["amazon-bedrock-invocationMetrics"].outputTokenCount > 0);
    });

    test("no content type, or that of bytes, is JSON all the same", async () => {
      for (const contentType of [undefined, "application/octet-stream", "application/json"]) {
        const answer = await invoke(MAVERICK, { prompt: "Hi" }, { contentType });
        assert.match(answer.body.generation, /You said: Hi/);
      }
    });

    test("what is asked of the service is echoed", async () => {
      const asked = { performanceConfigLatency: "optimized", serviceTier: "flex" };
      const { performanceConfigLatency, serviceTier } = await invoke(
        MAVERICK,
        { prompt: "Hi" },
        asked,
      );
      assert.deepEqual({ performanceConfigLatency, serviceTier }, asked);
    });

    test("a broken schema is a ValidationException", async () => {
      await assert.rejects(invoke(R1, { text: "Hi" }), {
        name: "ValidationException",
        message:
          "Malformed input request: #: required key [prompt] not found" +
          "#: extraneous key [text] is not permitted, please reformat your input and try again.",
      });
    });

    test("a stream that breaks off raises", async () => {
      await assert.rejects(stream(R1, { prompt: "#truncated", max_tokens: 64 }), {
        name: "ModelStreamErrorException",
      });
    });
  });
}
