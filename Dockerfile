FROM node:20-slim
WORKDIR /krona
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && mkdir data && chown node:node data
COPY . .
USER node
ENV KRONA_HOST=0.0.0.0
EXPOSE 7860
# node itself, not npx, so that it hears SIGTERM and can end its work.
CMD ["node", "--import", "tsx", "cli/krona.ts", "start"]
