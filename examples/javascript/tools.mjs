// A model that calls functions of this program, as its stream arrives: ConverseStream with tools.
//
//     npm install @aws-sdk/client-bedrock-runtime
//     node examples/javascript/tools.mjs           # against `helan demo`
//
// Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
import { BedrockRuntimeClient, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

const { env } = process;
const client = new BedrockRuntimeClient({
  endpoint: env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME ?? "http://127.0.0.1:8080",
  region: "cn-northwest-1",
  credentials: {
    accessKeyId: env.AWS_ACCESS_KEY_ID ?? "AKIDDEMO",
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "demo-secret-key",
  },
  // Why these: see converse.mjs.
  requestHandler: { requestTimeout: 900_000, sessionTimeout: 900_000 },
  maxAttempts: 2,
});

const altitudes = { Yinchuan: 1110, Lhasa: 3650 };
const functions = { get_altitude: ({ city }) => ({ city, metres: altitudes[city] }) };
const tools = [
  {
    toolSpec: {
      name: "get_altitude",
      description: "How high above the sea a city lies",
      inputSchema: {
        json: {
          type: "object",
          properties: { city: { type: "string", enum: Object.keys(altitudes) } },
          required: ["city"],
        },
      },
    },
  },
];

/** Asks, prints text as it comes, and puts the answer's blocks together. */
async function ask(messages) {
  const { stream } = await client.send(
    new ConverseStreamCommand({
      modelId: env.MODEL_ID ?? "qwen.qwen3-32b-v1:0",
      messages,
      toolConfig: { tools },
    }),
  );
  const content = [];
  let stopReason;
  for await (const event of stream) {
    const { contentBlockIndex: index, start, delta } =
      event.contentBlockStart ?? event.contentBlockDelta ?? {};
    if (start?.toolUse) content[index] = { toolUse: { ...start.toolUse, input: "" } };
    // The arguments come in pieces of JSON, which are read when they are complete.
    if (delta?.toolUse) content[index].toolUse.input += delta.toolUse.input;
    if (delta?.text) {
      process.stdout.write(delta.text);
      (content[index] ??= { text: "" }).text += delta.text;
    }
    if (event.messageStop) stopReason = event.messageStop.stopReason;
  }
  process.stdout.write("\n");
  // Reasoning is not sent back: it has left holes in the list.
  const blocks = content.filter(Boolean);
  for (const { toolUse } of blocks) if (toolUse) toolUse.input = JSON.parse(toolUse.input || "{}");
  return { stopReason, turn: { role: "assistant", content: blocks } };
}

function run({ toolUseId, name, input }) {
  console.log("the model calls", name, JSON.stringify(input));
  const called = functions[name]?.(input);
  return {
    toolResult: called
      ? { toolUseId, content: [{ json: called }], status: "success" }
      : { toolUseId, content: [{ text: `there is no tool ${name}` }], status: "error" },
  };
}

const messages = [{ role: "user", content: [{ text: "How high does Yinchuan lie?" }] }];
for (;;) {
  const { stopReason, turn } = await ask(messages);
  messages.push(turn);
  if (stopReason !== "tool_use") break;
  const calls = turn.content.filter((block) => block.toolUse);
  messages.push({ role: "user", content: calls.map((block) => run(block.toolUse)) });
}
