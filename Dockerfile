# syntax=docker/dockerfile:1
# Built in one stage, run in another: the image holds the compiled program, its production packages and one Node.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc tsconfig.json ./
RUN npm ci
COPY src src
COPY config config
RUN npm run build
# The image has its own Node; the one that npm brings for other machines would only be weight.
RUN npm prune --omit=dev && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="entrepot" \
      org.opencontainers.image.description="A pull-through cache mirror of Docker Hub that is also a complete container registry" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /opt/entrepot
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
COPY config config
# Where no configuration is mounted, config/mirror.yml is served; here it keeps things on the volume.
RUN sed -i 's|rootdirectory: ./data|rootdirectory: /var/lib/registry|' config/mirror.yml
COPY src/cli/launcher.mjs dist/cli/launcher.mjs
COPY src/admin/openapi.yaml dist/admin/openapi.yaml
COPY src/dashboard/page dist/dashboard/page
RUN ln -s /opt/entrepot/dist/cli/launcher.mjs /usr/local/bin/entrepot \
 && ln -s /opt/entrepot/dist/cli/launcher.mjs /usr/local/bin/registry \
 && install -d -o node -g node /var/lib/registry
ENV NODE_ENV=production MALLOC_ARENA_MAX=2
VOLUME ["/var/lib/registry"]
EXPOSE 5000
USER node
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:5000/').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["entrepot"]
CMD ["serve", "/etc/distribution/config.yml"]
