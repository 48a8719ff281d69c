// The real binary: an emulator of SageMaker Runtime, and a gateway in front of it.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const suite = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const root = resolve(suite, "../..");
// Nothing here is measured; this is how long a thing that must happen may take on a busy machine.
export const PATIENCE = 60_000;

/** Starts `helan`, and waits until it says where it listens. */
export function start(args, environment) {
  const binary = process.env.HELAN_BIN ?? join(root, "target/ci/helan");
  if (!existsSync(binary)) {
    throw new Error(`${binary} is not there: cargo build --profile ci, or set HELAN_BIN`);
  }
  const kept = Object.entries(process.env).filter(([name]) => !/^(AWS|HELAN)_/.test(name));
  const child = spawn(binary, args, {
    env: { ...Object.fromEntries(kept), ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (chunk) => (log = (log + chunk).slice(-20_000)));
  const stop = () =>
    new Promise((done) => {
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.once("exit", done);
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), PATIENCE).unref();
    });
  return new Promise((ready, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`helan ${args[0]} ended with ${code}\n${log}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /is listening on (http:\/\/\S+)/.exec(line);
      if (found) ready({ url: found[1], stop });
    });
  });
}

/** Starts both; `stop` ends them. With the suite's rules or others, and more tables of configuration. */
export async function helan({ rules: others, more = "" } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "helan-"));
  let rules = join(suite, "rules.toml");
  if (others) {
    rules = join(directory, "rules.toml");
    writeFileSync(rules, others);
  }
  const emulator = await start(["emulate", "--listen", "127.0.0.1:0", "--rules", rules], {});
  const config = join(directory, "helan.toml");
  writeFileSync(
    config,
    (readFileSync(join(suite, "helan.toml"), "utf8") + more)
      .replace("@keys@", join(suite, "keys.toml"))
      .replaceAll("@tokenizer@", join(root, "tests/fixtures/tokenizer/tokenizer.json"))
      .replace("@emulator@", emulator.url),
  );
  const gateway = await start(["serve", "--config", config], {
    AWS_ACCESS_KEY_ID: "AKIDDEMO",
    AWS_SECRET_ACCESS_KEY: "demo-secret-key",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
  }).catch(async (error) => {
    await emulator.stop();
    throw error;
  });
  const last = async () =>
    (await (await fetch(`${emulator.url}/_emulator/requests`)).json()).at(-1);
  return {
    url: gateway.url,
    calls: async () => (await fetch(`${emulator.url}/_emulator/calls`)).json(),
    sent: async () => JSON.parse((await last()).body),
    // What the model read, with the token that its tokenizer put in front.
    prompt: async () => (await last()).prompt,
    stop: async () => {
      await gateway.stop();
      await emulator.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Waits until a thing that must happen has happened. */
export async function eventually(what, condition) {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}
