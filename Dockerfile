# Tollgate in a container: production dependencies and src/, run by Node 24 as an ordinary user. Builds nothing else and
# holds no configuration: mount gateway.yaml at /etc/tollgate and let it say `listen: 0.0.0.0:8080`,
# `admin: 0.0.0.0:8081` and `store: { url: "sqlite:/data/tollgate.db" }`.

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms (tools/install.mjs says more).
RUN npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/node_modules/.cache/tollgate
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY config ./config
COPY src ./src
RUN mkdir -p /data /etc/tollgate node_modules/.cache && chown node:node /data node_modules/.cache
USER node
VOLUME /data
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "src/main.ts", "health", "-c", "/etc/tollgate/gateway.yaml"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["start", "-c", "/etc/tollgate/gateway.yaml"]
