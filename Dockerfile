# efqat with what its zoo needs for many machines: docker build -t efqat . && docker run --rm efqat --help
FROM node:20-slim AS build
WORKDIR /src
# ONNX Runtime's CUDA libraries are left out.
ENV ONNXRUNTIME_NODE_INSTALL=skip
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY proto proto
COPY python python
RUN npm run build
# Queues and S3 are optional for others; they stay in the versions of the lock file, tools do not.
RUN npm pkg set $(node -p "['bullmq', 'ioredis', '@aws-sdk/client-s3'].map((name) => 'dependencies[' + name + ']=' + require('./package-lock.json').packages['node_modules/' + name].version).join(' ')") \
 && npm pkg delete peerDependencies peerDependenciesMeta devDependencies \
 && npm prune --no-audit --no-fund \
 && rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:20-slim
ENV NODE_ENV=production
COPY --from=build /src/package.json /app/
COPY --from=build /src/node_modules /app/node_modules
COPY --from=build /src/proto /app/proto
COPY --from=build /src/python /app/python
COPY --from=build /src/dist /app/dist
RUN mkdir /work && chown 1000:1000 /work
# The user "node" by its number, which Kubernetes can tell from root.
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["node", "/app/dist/src/cli/main.js"]
