# The server with its bundles. For a GPU: --target gpu --build-arg EXTRA=gpu (GeForce and RTX cards: gpu-rtx).
# BASE_IMAGE is any image whose `python` is 3.11 or later; builder and runtime must share it.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS builder
ARG EXTRA=cpu
WORKDIR /build
RUN python -m venv --without-pip /opt/carousel
COPY pyproject.toml README.md LICENSE ./
COPY cli cli
COPY model_export model_export
COPY service service
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/carousel/bin/python install --disable-pip-version-check ".[${EXTRA}]"

FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="carousel" \
      org.opencontainers.image.description="An inference server for LSTMs" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/carousel /opt/carousel
COPY models /models
# Where a GPU server keeps the TensorRT plans it builds; a volume mounted here takes over the owner.
RUN install -d -o 10001 -g 10001 /plans
# The root file system may be read-only: nothing is written but to /tmp and /plans.
# ONNX Runtime reports to its maker unless told before it is imported that it must not.
ENV PATH=/opt/carousel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    CAROUSEL_HOST=0.0.0.0 \
    CAROUSEL_PORT=8000 \
    CAROUSEL_GRPC_PORT=8001 \
    CAROUSEL_MODELS_DIR=/models \
    CAROUSEL_PLANS_DIR=/plans
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# Without a proxy and whoever signed the certificate: the server is in this container. Where clients need
# certificates of their own, CAROUSEL_HEALTH_PORT gives this question a port that asks for none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-ISc", "import os, ssl; from urllib.request import HTTPSHandler, ProxyHandler, build_opener; own = os.environ.get('CAROUSEL_HEALTH_PORT'); tls = not own and os.environ.get('CAROUSEL_TLS_CERTIFICATE'); build_opener(ProxyHandler({}), HTTPSHandler(context=ssl._create_unverified_context())).open(('https' if tls else 'http') + '://127.0.0.1:' + (own or os.environ['CAROUSEL_PORT']) + '/v2/health/ready', timeout=2)"]
# Not `carousel serve`: its banner is for people, and these logs are one JSON object a line.
ENTRYPOINT ["python", "-m", "service"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM runtime AS cpu
