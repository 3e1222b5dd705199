# The command `edgecnn` with the models of its zoo, for amd64 and arm64, from a checkout.
#
#   docker build -f containers/edgecnn.Dockerfile -t edgecnn .
#   docker run --rm -v "$PWD:/work" -u "$(id -u):$(id -g)" edgecnn bench zoo:fashion-10k
#
# It measures, predicts and deploys. To train and export too: --build-arg EXTRAS=train, some gigabytes; the converter to
# TFLite has no build for arm64.
ARG DEBIAN=trixie-slim

FROM debian:${DEBIAN} AS packages
# What there is in Debian's archive today is wanted, with its security updates, and not one version for ever.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY edgecnn edgecnn
COPY models models
COPY export export
COPY bench bench
ARG EXTRAS=hub
RUN python3 -m venv /opt/edgecnn \
    && /opt/edgecnn/bin/pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]" ./models/zoo \
    && /opt/edgecnn/bin/pip uninstall --yes pip

FROM debian:${DEBIAN}
# ssh reaches boards.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home edgecnn
COPY --from=packages /opt/edgecnn /opt/edgecnn
ENV XDG_CACHE_HOME=/tmp/cache
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["/opt/edgecnn/bin/edgecnn"]
CMD ["--help"]
