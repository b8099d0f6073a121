FROM node:24-slim AS krona
WORKDIR /krona
COPY package.json package-lock.json ./
COPY tools/skip-download tools/skip-download
RUN npm ci --omit=dev && mkdir data && chown node:node data
COPY . .
USER node
ENV KRONA_HOST=0.0.0.0
EXPOSE 7860
# node itself, not npx, so that it hears SIGTERM and can end its work. Node 24 runs TypeScript as it is.
CMD ["node", "cli/krona.ts", "start"]

# NVIDIA's libraries, of the CUDA that the wheel of onnxruntime-gpu was built for.
FROM python:3.13-slim AS cuda
RUN pip install --no-cache-dir --target /cuda nvidia-cuda-runtime~=13.0 nvidia-cublas~=13.0 nvidia-curand~=10.4 \
  nvidia-cuda-nvrtc~=13.0 nvidia-cudnn-cu13~=9.0

# For NVIDIA's cards: `docker build --target gpu .`, run with `--gpus all`. The driver is the host's.
FROM krona AS gpu
COPY --from=cuda /cuda /cuda
ENV KRONA_CUDA_PATH=/cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER root
RUN KRONA_DATA=/tmp/krona node cli/krona.ts device install cuda --source pypi && rm -r /tmp/krona
USER node

# The last stage is the one that is built by default.
FROM krona
