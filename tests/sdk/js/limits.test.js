// A caller over its share, and a full gateway, through the unmodified JavaScript SDK.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  ServiceUnavailableException,
  ThrottlingException,
} from "@aws-sdk/client-bedrock-runtime";

import { text, user } from "./conversation.js";
import { eventually, helan } from "./processes.js";

const QWEN = "qwen.qwen3-32b-v1:0";
// What is held is held until its caller leaves.
const RULES = `
builtin = false
[[rules]]
when.text = "hold"
answer.text = "one two three four five six"
fault.stall = { after = 3, ms = 3600000 }
[[rules]]
answer.text = "There you are."
`;
const LIMITS = `
[limits]
max_calls = 2
max_calls_per_principal = 1
`;

describe("limits", () => {
  let running, client, other, third;
  const connect = (accessKeyId, secretAccessKey, sessionToken) =>
    new BedrockRuntimeClient({
      region: "cn-northwest-1",
      endpoint: running.url,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
      maxAttempts: 1,
    });
  const ask = (client) => client.send(new ConverseCommand({ modelId: QWEN, messages: [user("hi")] }));
  /** A call that goes on until it is aborted. */
  const hold = async (client) => {
    const leave = new AbortController();
    const command = new ConverseStreamCommand({ modelId: QWEN, messages: [user("hold")] });
    const { stream } = await client.send(command, { abortSignal: leave.signal });
    const events = stream[Symbol.asyncIterator]();
    assert.ok((await events.next()).value.messageStart);
    // Leaving is not the SDK's to report: nobody reads on.
    return () => leave.abort();
  };

  before(async () => {
    running = await helan({ rules: RULES, more: LIMITS });
    client = connect("AKIDDEMO", "demo-secret-key");
    other = connect("AKIDSESSION", "session-secret-key", "session-token");
    third = connect("AKIDTHIRD", "third-secret-key");
  });
  after(async () => {
    for (const one of [client, other, third]) one?.destroy();
    await running?.stop();
  });

  test("are told as Bedrock tells them, and end with the call that used them up", async () => {
    const leave = await hold(client);
    await assert.rejects(ask(client), (error) => {
      assert.ok(error instanceof ThrottlingException);
      assert.equal(error.message, "Too many requests, please wait before trying again.");
      assert.equal(error.$metadata.httpStatusCode, 429);
      assert.equal(error.$response.headers["retry-after"], "1");
      return true;
    });
    assert.equal(text(await ask(other)), "There you are.");
    const leaveToo = await hold(other);
    await assert.rejects(ask(third), (error) => {
      assert.ok(error instanceof ServiceUnavailableException);
      assert.equal(error.$metadata.httpStatusCode, 503);
      assert.equal(error.$response.headers["retry-after"], "1");
      return true;
    });
    leave();
    leaveToo();
    await eventually("a caller who left may call again", async () => {
      const answer = await ask(client).catch((error) => {
        if (error instanceof ThrottlingException) return undefined;
        throw error;
      });
      return answer !== undefined && text(answer) === "There you are.";
    });
  });
});
