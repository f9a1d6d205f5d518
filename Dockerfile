# The worker and the console in one image: docker build -t pg-s3-connector:0.1.0 .
# Debian and not Alpine, because DuckDB's library is built for glibc. The version is pinned, and the same in all stages.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No script of a dependency runs. The package node would only put another Node before this one.
RUN npm ci --ignore-scripts && rm -f node_modules/.bin/node
COPY . .
# What `npm pack` takes is what runs, and nothing else.
RUN npm pack --pack-destination /tmp && mkdir /app && tar -xzf /tmp/pg-s3-connector-*.tgz --strip-components=1 -C /app

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

# What fills the bucket of docker-compose.yml; its data are a development dependency.
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
# The only place that is written to: the rest may be mounted read-only.
RUN install -d -o 1000 -g 1000 -m 700 /spool
VOLUME /spool
# By number, so that Kubernetes sees that it is not root.
USER 1000:1000
EXPOSE 9464
ENTRYPOINT ["node", "dist/src/cli.js"]
CMD ["start"]
