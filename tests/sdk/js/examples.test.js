// The programs of examples/javascript, each as its reader runs it, against `helan demo`.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PATIENCE, start } from "./processes.js";

const here = dirname(fileURLToPath(import.meta.url));
const examples = resolve(here, "../../../examples/javascript");
// What the scripted model says.
const NINGXIA =
  "Ningxia (宁夏) lies in the northwest of China, on the upper Yellow River. The Helan Mountains (贺兰山) shelter its capital, Yinchuan, from the desert.";
const THOUGHT =
  "The user asks about Ningxia. Northwest China, the Yellow River, the Helan Mountains: that will do.";

let demo, directory;
before(async () => {
  demo = await start(["demo", "--listen", "127.0.0.1:0"], {});
  // A folder in which `npm install` has been run, so to say.
  directory = mkdtempSync(join(tmpdir(), "helan-examples-"));
  symlinkSync(join(here, "node_modules"), join(directory, "node_modules"));
  for (const name of readdirSync(examples)) {
    if (/\.(mjs|json)$/.test(name)) copyFileSync(join(examples, name), join(directory, name));
  }
});
after(async () => {
  await demo?.stop();
  if (directory) rmSync(directory, { recursive: true });
});

/** Runs an example to its end: what it printed, without empty lines. */
async function lines(name, settings = {}) {
  const kept = Object.entries(process.env).filter(([key]) => !/^(AWS_|HELAN_|MODEL_ID$)/.test(key));
  const { stdout } = await promisify(execFile)(process.execPath, [join(directory, name)], {
    env: { ...Object.fromEntries(kept), AWS_ENDPOINT_URL_BEDROCK_RUNTIME: demo.url, ...settings },
    timeout: 2 * PATIENCE,
  });
  return stdout.split("\n").filter(Boolean);
}

test("a stream", async () => {
  const [thought, text, usage, ...more] = await lines("chat.mjs", { MODEL_ID: "openai.gpt-oss-120b-1:0" });
  assert.deepEqual([thought, text, more], [THOUGHT, NINGXIA, []]);
  assert.match(usage, /outputTokens: [1-9]/);
});

test("Converse", async () => {
  const [text, thought, end, ...more] = await lines("converse.mjs");
  assert.deepEqual([text, thought, more], [`answer: ${NINGXIA}`, `reasoning: ${THOUGHT}`, []]);
  assert.match(end, /^ended with end_turn after [1-9]\d* tokens$/);
});

test("tools, as the stream arrives", async () => {
  const [said, call, found, ...more] = await lines("tools.mjs");
  assert.deepEqual([said, more], ["Let me look that up.", []]);
  assert.equal(call, 'the model calls get_altitude {"city":"Yinchuan"}');
  const result = found.replace("Here is what the tool found: ", "");
  assert.deepEqual(JSON.parse(result), { city: "Yinchuan", metres: 1110 });
});

test("InvokeModel and its stream", async () => {
  const [whole, end, streamed, last, ...more] = await lines("invoke-model.mjs");
  assert.deepEqual([whole, streamed, more], [NINGXIA, NINGXIA, []]);
  assert.match(end, /^ended with stop after [1-9]\d* tokens$/);
  assert.equal(last, "ended with stop");
});

test("a wrong secret is told", async () => {
  await assert.rejects(lines("converse.mjs", { AWS_SECRET_ACCESS_KEY: "not the secret" }), (error) => {
    assert.equal(error.code, 1);
    assert.match(error.stderr, /InvalidSignatureException/);
    return true;
  });
});
