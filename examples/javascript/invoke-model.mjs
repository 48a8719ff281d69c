// InvokeModel and its stream in the model's own words: a Llama prompt that this program has rendered.
//
//     npm install @aws-sdk/client-bedrock-runtime
//     node examples/javascript/invoke-model.mjs    # against `helan demo`
//
// Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and
// MODEL_ID to another model of this family, since each has a body of its own.
import {
  BedrockRuntimeClient,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";

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

const prompt =
  "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhere is Ningxia?<|eot|>" +
  "<|header_start|>assistant<|header_end|>\n\n";
const asked = {
  modelId: env.MODEL_ID ?? "meta.llama4-maverick-17b-instruct-v1:0",
  contentType: "application/json",
  body: JSON.stringify({ prompt, max_gen_len: 2048, temperature: 0.5 }),
};

const answer = await client.send(new InvokeModelCommand(asked));
const { generation, stop_reason, generation_token_count } = JSON.parse(answer.body.transformToString());
console.log(generation.trim());
console.log("ended with", stop_reason, "after", generation_token_count, "tokens");

const { body } = await client.send(new InvokeModelWithResponseStreamCommand(asked));
for await (const event of body) {
  const chunk = JSON.parse(new TextDecoder().decode(event.chunk.bytes));
  process.stdout.write(chunk.generation);
  if (chunk.stop_reason) console.log("\nended with", chunk.stop_reason);
}
