#!/usr/bin/env bash
# The AWS command line, version 1 (pip install awscli) or 2: Converse, and InvokeModel into a file.
# It has no command for streams.
#
#   examples/shell/aws-cli.sh                      # against `helan demo`
#
# Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
set -euo pipefail
export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${AWS_ENDPOINT_URL_BEDROCK_RUNTIME:-http://127.0.0.1:8080}
export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-AKIDDEMO} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-demo-secret-key}
export AWS_DEFAULT_REGION=cn-northwest-1 AWS_MAX_ATTEMPTS=2
export PYTHONUTF8=1 # for the prompt's own characters, whatever the terminal's

model=${MODEL_ID:-us.deepseek.r1-v1:0}
directory=$(mktemp -d)
trap 'rm -r "$directory"' EXIT

# A unary answer may take minutes: the command line itself would wait for 60 seconds.
aws bedrock-runtime converse --cli-read-timeout 900 --model-id "$model" \
    --messages '[{"role": "user", "content": [{"text": "Where is Ningxia?"}]}]' \
    --inference-config maxTokens=2048,temperature=0.6 \
    --query 'output.message.content[].text' --output text

# fileb:// is read byte for byte by both versions. Given as text, version 2 would take it for base64.
cat >"$directory/body.json" <<'END'
{"prompt": "<｜begin▁of▁sentence｜><｜User｜>贺兰山在哪里？<｜Assistant｜><think>\n", "max_tokens": 2048}
END
aws bedrock-runtime invoke-model --cli-read-timeout 900 --model-id "$model" \
    --content-type application/json --body "fileb://$directory/body.json" "$directory/answer.json"
cat "$directory/answer.json"
echo
