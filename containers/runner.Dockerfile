# The server of one deployed model, for amd64 and arm64: not root, nothing to write, with a health check.
#
#   edgecnn deploy RUN --output bundle
#   docker build -f containers/runner.Dockerfile -t my-model bundle
#   docker run --rm --read-only -p 127.0.0.1:8080:8080 my-model
#   curl --data-binary @picture.jpg http://127.0.0.1:8080/classify
#
# For an ONNX file: --build-arg RUNTIME=onnxruntime. For a Pi, from a PC: --platform linux/arm64.
ARG DEBIAN=trixie-slim

FROM debian:${DEBIAN} AS packages
# What there is in Debian's archive today is wanted, with its security updates, and not one version for ever.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
ARG RUNTIME=ai-edge-litert
RUN python3 -m venv /opt/edgecnn \
    && /opt/edgecnn/bin/pip install --no-cache-dir --only-binary=:all: numpy pillow "$RUNTIME" \
    && /opt/edgecnn/bin/pip uninstall --yes pip

FROM debian:${DEBIAN}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin edgecnn
COPY --from=packages /opt/edgecnn /opt/edgecnn
COPY . /srv/model
WORKDIR /srv/model
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/opt/edgecnn/bin/python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["/opt/edgecnn/bin/python", "edgecnn.pyz"]
CMD ["serve", "--host", "0.0.0.0"]
