// A stream through an unmodified JavaScript SDK. It speaks HTTP/2 to the plain port.
//
//     npm install @aws-sdk/client-bedrock-runtime
//     node examples/javascript/chat.mjs            # against `helan demo`
//
// Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
import { BedrockRuntimeClient, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

const { env } = process;
const client = new BedrockRuntimeClient({
  endpoint: env.AWS_ENDPOINT_URL_BEDROCK_RUNTIME ?? "http://127.0.0.1:8080",
  region: "cn-northwest-1",
  credentials: {
    accessKeyId: env.AWS_ACCESS_KEY_ID ?? "AKIDDEMO",
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? "demo-secret-key",
  },
});

const { stream } = await client.send(
  new ConverseStreamCommand({
    modelId: env.MODEL_ID ?? "deepseek.r1-v1:0",
    messages: [{ role: "user", content: [{ text: "Where is Ningxia?" }] }],
  }),
);
for await (const event of stream) {
  const delta = event.contentBlockDelta?.delta;
  process.stdout.write(delta?.reasoningContent?.text ?? delta?.text ?? "");
  if (event.contentBlockStop) process.stdout.write("\n");
  if (event.metadata) console.log(event.metadata.usage);
}
