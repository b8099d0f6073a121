FROM node:24-slim
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
