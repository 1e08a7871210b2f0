#!/bin/sh
# Asks for the speaker of an utterance with nothing but curl:  sh examples/curl.sh localhost:8000
set -eu
server=${1:-localhost:8000}
utterance=$(dirname "$0")/utterance.csv

# A line of the file is a step: 12 numbers with commas between.
steps=$(sed 's/.*/[&]/' "$utterance" | paste -s -d , -)
count=$(grep -c , "$utterance")

ask() {
    curl --silent --show-error --fail-with-body --header 'Content-Type: application/json' --data "$2" "$server$1"
    echo
}

# In the model's own words.
ask /predict/vowels "{\"sequence\": [$steps]}"

# The same as a tensor of the Open Inference Protocol: one row, so many steps, 12 features.
ask /v2/models/vowels/infer \
    "{\"inputs\": [{\"name\": \"sequence\", \"datatype\": \"FP32\", \"shape\": [1, $count, 12], \"data\": [[$steps]]}]}"
