#!/usr/bin/env bash
# curl 7.75 or newer, which signs by itself: Converse, and a stream in OpenAI's words.
#
#   examples/shell/curl.sh                         # against `helan demo`
#
# Another gateway: set AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, MODEL_ID.
#
# MODEL_ID must be a name that needs no escape in a path, such as an alias without `:`. AWS signs the
# path encoded once more, curl does not: for `deepseek.r1-v1%3A0` the two signatures differ (403).
set -euo pipefail
url=${AWS_ENDPOINT_URL_BEDROCK_RUNTIME:-http://127.0.0.1:8080}
model=${MODEL_ID:-demo}

ask() { # <path> <body> [options of curl]: the key is read from standard input, so that `ps` does not show it
    local path=$1 body=$2
    shift 2
    curl --silent --show-error --fail-with-body --max-time 900 "$@" --config - \
        --aws-sigv4 aws:amz:cn-northwest-1:bedrock \
        --header 'content-type: application/json' --data "$body" "$url$path" \
        <<<"user = \"${AWS_ACCESS_KEY_ID:-AKIDDEMO}:${AWS_SECRET_ACCESS_KEY:-demo-secret-key}\""
    echo
}

ask "/model/$model/converse" \
    '{"messages": [{"role": "user", "content": [{"text": "Where is Ningxia?"}]}], "inferenceConfig": {"maxTokens": 2048}}'

# Bedrock's own streams are binary. These are lines: `data: {…}`, and `data: [DONE]` at the end. The
# model's name is in the body here, so any will do.
ask /openai/v1/chat/completions \
    "{\"model\": \"$model\", \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"贺兰山在哪里？\"}]}" --no-buffer
