// One question and its answer: Converse, through an unmodified JavaScript SDK.
//
//     npm install @aws-sdk/client-bedrock-runtime
//     node examples/javascript/converse.mjs        # against `helan demo`
//
// Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
import { BedrockRuntimeClient, ConverseCommand } from "@aws-sdk/client-bedrock-runtime";

const { env } = process;
const client = new BedrockRuntimeClient({
  endpoint: env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME ?? "http://127.0.0.1:8080",
  region: "cn-northwest-1",
  credentials: {
    accessKeyId: env.AWS_ACCESS_KEY_ID ?? "AKIDDEMO",
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "demo-secret-key",
  },
  // Milliseconds without a byte after which the SDK gives up: of the call (by default it waits), and of
  // its connection (by default 5 minutes). A unary answer has no bytes before its end.
  requestHandler: { requestTimeout: 900_000, sessionTimeout: 900_000 },
  // A retry after a timeout is the same question again, to a GPU that may still work on the first.
  maxAttempts: 2,
});

const answer = await client.send(
  new ConverseCommand({
    modelId: env.MODEL_ID ?? "deepseek.r1-v1:0",
    system: [{ text: "You are a guide to the north-west of China." }],
    messages: [{ role: "user", content: [{ text: "Where is Ningxia?" }] }],
    inferenceConfig: { maxTokens: 2048, temperature: 0.6 },
  }),
);
for (const block of answer.output.message.content) {
  if (block.reasoningContent) console.log("reasoning:", block.reasoningContent.reasoningText.text.trim());
  if (block.text) console.log("answer:", block.text.trim());
}
console.log("ended with", answer.stopReason, "after", answer.usage.outputTokens, "tokens");
