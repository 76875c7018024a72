# One image for compose.yaml: the three services of examples/atma, and the command line. Built from a clone:
#   docker build -t atma-events .
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: SQLite is part of this Node, so better-sqlite3 need not be compiled. `npm ci` would run `prepare`, too.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/build.mjs scripts/
COPY src/ src/
RUN node scripts/build.mjs
# The compiler and the bundler go; better-sqlite3 was never built.
RUN npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules/ node_modules/
COPY --from=build /app/dist/ dist/
COPY package.json ./
COPY bin/ bin/
COPY fixtures/ fixtures/
COPY examples/atma/ examples/atma/
# A named volume that is mounted for the first time takes owner and mode from here, so the services need not be root.
RUN ln -s /app/bin/atma-events.js /usr/local/bin/atma-events && mkdir /data /flag && chown node:node /data /flag
USER node
# Relative paths, such as ./.atma-events/shadow.db, are in the volume.
WORKDIR /data
CMD ["atma-events", "--help"]
