# The image of all services of the node; they differ by their command only.
#   docker build -t flame-node-agent .
# Where no public registry can be reached: --build-arg BASE_IMAGE=<mirror>/python:3.13-slim --build-arg PIP_INDEX_URL=<mirror>
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
ARG PIP_INDEX_URL
# The time of the last commit, for files that are the same whenever the image is built.
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0
WORKDIR /build
RUN ["python3", "-m", "venv", "/opt/flame-node"]
RUN ["python3", "-m", "venv", "/opt/build"]
COPY requirements.lock requirements-build.lock ./
RUN ["/opt/flame-node/bin/python", "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.lock"]
RUN ["/opt/build/bin/python", "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "-r", "requirements-build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN ["/opt/build/bin/python", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", "/build/dist", "."]
RUN ["/opt/flame-node/bin/python", "-m", "pip", "install", "--no-deps", "--no-index", "--find-links", "/build/dist", "flame-node-agent"]
RUN ["/opt/flame-node/bin/python", "-m", "pip", "uninstall", "--yes", "pip"]
# The jobs of the stack. Their modes are set here, whatever they are in the checkout.
COPY trust/init ./init
RUN ["install", "-D", "-m", "0644", "-t", "/opt/flame-node/init", "init/create_bucket.py", "init/copy_bucket.py"]
# The root file system of a running container cannot be written, so bytecode is made now, and without dates in it.
RUN ["/opt/flame-node/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/flame-node/lib"]
COPY docker/set_times.py ./
RUN ["/opt/build/bin/python", "set_times.py", "/opt/flame-node"]

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="flame-node-agent" \
      org.opencontainers.image.description="The node a hospital runs for federated research" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/flame-node-agent/flame-node-agent" \
      org.opencontainers.image.documentation="https://github.com/flame-node-agent/flame-node-agent/tree/main/docs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY --from=build /opt/flame-node /opt/flame-node
# Programs of the base that would run as root whoever starts them; nothing here needs them to.
RUN ["find", "/", "-xdev", "-type", "f", "-perm", "/6000", "-exec", "chmod", "a-s", "{}", "+"]
ENV PATH=/opt/flame-node/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Settings come from the environment; there is no .env in the working directory to be read by mistake.
WORKDIR /opt/flame-node
USER 10001:10001
EXPOSE 8000 8080
STOPSIGNAL SIGTERM
# Of the agent; other services name theirs: ["CMD", "flame-node", "health", "--service", "data-access"].
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["flame-node", "health", "--service", "agent"]
CMD ["flame-node", "agent"]
