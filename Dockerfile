# One image for every role: `docker run shop run --role api`, `… --role consumer`, `… migrate`.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/shop \
 && /opt/shop/bin/pip install --require-hashes -r requirements.lock \
 && pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/shop/bin/pip install --no-deps --no-index dist/*.whl \
 && /opt/shop/bin/python -m compileall -q /opt/shop/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="shop" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 shop \
 && useradd --uid 10001 --gid shop --no-create-home --home-dir /data shop \
 && install --directory --owner shop --group shop /data
COPY --from=build /opt/shop /opt/shop
ENV PATH=/opt/shop/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SHOP_DATA_DIR=/data \
    SHOP_HTTP_HOST=0.0.0.0 \
    SHOP_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
# The only place written to: the rest of the file system may be read-only.
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# The ops port answers in every role.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('SHOP_OPS_PORT', '9000') + '/healthz', timeout=2)"]
ENTRYPOINT ["shop"]
CMD ["run"]
