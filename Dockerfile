# One image for the worker and the console: docker build -t pg-s3-connector:0.2.0-dev .
# Debian, not Alpine: DuckDB's library needs glibc. All stages use the same pinned version of Node.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Scripts of dependencies do not run. The package `node` is removed, because its Node would replace the one of the image.
RUN npm ci --ignore-scripts && rm -f node_modules/.bin/node
COPY . .
# The image has exactly the files of the npm package.
RUN npm pack --pack-destination /tmp && mkdir /app && tar -xzf /tmp/pg-s3-connector-*.tgz --strip-components=1 -C /app

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

# The demo for docker-compose.yml. Its data is a development dependency.
FROM build AS demo
USER 1000:1000
ENTRYPOINT ["node", "demo/deployed.ts"]

FROM node:24.21.0-bookworm-slim AS worker
ENV NODE_ENV=production \
    SPOOL_DIR=/spool \
    METRICS_HOST=0.0.0.0 \
    METRICS_PORT=9464
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app .
# The only writable directory: the rest can be mounted read-only.
RUN install -d -o 1000 -g 1000 -m 700 /spool
VOLUME /spool
# A number, so that Kubernetes can verify that it is not root.
USER 1000:1000
EXPOSE 9464
ENTRYPOINT ["node", "dist/src/cli.js"]
CMD ["start"]
