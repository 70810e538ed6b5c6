# Two images from one tree: `--target api` and `--target worker`. Neither runs as root.
FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json ./
COPY apps/api/package.json apps/api/
COPY apps/demo/package.json apps/demo/
COPY apps/launcher/package.json apps/launcher/
COPY apps/ops/package.json apps/ops/
COPY apps/sandbox/package.json apps/sandbox/
COPY apps/worker/package.json apps/worker/
COPY packages/billing/package.json packages/billing/
COPY packages/core/package.json packages/core/
COPY packages/db/package.json packages/db/
COPY packages/embedded/package.json packages/embedded/
COPY packages/extraction/package.json packages/extraction/
COPY packages/queue/package.json packages/queue/
COPY packages/tasks/package.json packages/tasks/
COPY packages/testing/package.json packages/testing/
# The image brings Node 24, and Postgres and Redis are containers of their own: no install script is needed.
RUN npm install --omit=dev --no-save --ignore-scripts --no-audit --no-fund
COPY packages packages
COPY apps apps

FROM base AS api
USER node
ENV HOST=0.0.0.0 PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD node -e "fetch('http://127.0.0.1:8000/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
CMD ["node", "apps/api/src/main.ts"]

FROM base AS worker
# Pages are read in Debian's Chromium, which keeps its sandbox: docker-compose.yml lets it make the namespaces for that.
RUN apt-get update \
  && apt-get install -y --no-install-recommends chromium fonts-noto-core fonts-noto-cjk \
  && rm -rf /var/lib/apt/lists/*
USER node
CMD ["node", "apps/worker/src/main.ts"]
