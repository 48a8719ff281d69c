// CountTokens through the unmodified JavaScript SDK.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  BedrockRuntimeClient,
  CountTokensCommand,
  ValidationException,
} from "@aws-sdk/client-bedrock-runtime";

import { user } from "./conversation.js";
import { helan } from "./processes.js";

const COUNTED = "anthropic.claude-haiku-4-5-20251001-v1:0";

describe("CountTokens", () => {
  let running, client;
  const count = async (modelId, input) =>
    (await client.send(new CountTokensCommand({ modelId, input }))).inputTokens;

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
    client.destroy();
    await running.stop();
  });

  test("a question and a body of the same words have the same tokens", async () => {
    const text = "贺兰山在哪里？ Where is it?";
    const converse = await count(COUNTED, { converse: { messages: [user(text)] } });
    const body = JSON.stringify({
      anthropic_version: "bedrock-2023-05-31",
      max_tokens: 10,
      messages: [{ role: "user", content: text }],
    });
    const invoked = await count(COUNTED, { invokeModel: { body: new TextEncoder().encode(body) } });
    assert.equal(converse, invoked);
    const more = await count(COUNTED, { converse: { messages: [user(`${text}<think>`)] } });
    assert.ok(more > converse);
  });

  test("a model that cannot count says so", async () => {
    await assert.rejects(count("suite.raw", { converse: { messages: [user("hi")] } }), (error) => {
      assert.ok(error instanceof ValidationException);
      assert.equal(error.message, "The provided model doesn't support counting tokens.");
      return true;
    });
  });
});
