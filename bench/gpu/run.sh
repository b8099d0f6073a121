#!/bin/sh
# Unpacks what pack.ts made, once all of its parts lie beside this script, and measures the card. Arguments go to run.ts:
# sh run.sh --out FOLDER. A second call goes on where the first ended.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${KRONA_BENCH:-$here/unpacked}
python=$(command -v python3 || true)

if [ ! -e "$root/ready" ]; then
  rm -rf "$root" && mkdir -p "$root"
  if command -v xz > /dev/null; then
    cat "$here"/krona-gpu.tar.xz.* | tar -xJf - -C "$root"
  else
    cat "$here"/krona-gpu.tar.xz.* |
      "$python" -c 'import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1])' "$root"
  fi
  for wheel in "$root"/krona-gpu/wheels/*.whl; do
    [ ! -e "$wheel" ] || "$python" -m zipfile -e "$wheel" "$root/python"
  done
  touch "$root/ready"
fi

# NVIDIA's libraries are those of the machine's own torch, and so is the provider where none was carried.
if [ -n "$python" ]; then
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  export KRONA_CUDA_PATH="${KRONA_CUDA_PATH:-$site}"
  export PYTHONPATH="$root/python${PYTHONPATH:+:$PYTHONPATH}"
  for library in "$site"/onnxruntime/capi/libonnxruntime_providers_cuda.so "$site"/onnxruntime/capi/libonnxruntime_providers_shared.so; do
    beside="$root/krona-gpu/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/$(basename "$library")"
    [ -e "$beside" ] || [ ! -e "$library" ] || cp "$library" "$beside"
  done
fi
exec "$root/krona-gpu/node" "$root/krona-gpu/run.mjs" ${python:+--python "$python"} "$@"
