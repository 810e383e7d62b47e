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
 && /opt/shop/bin/pip install --no-deps --no-index dist/*.whl
# What nobody needs at run time: the installer, sources of compiled modules, symbols for debuggers,
# the editor beside Swagger UI, and source maps. It is a third of all.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils mariadb-client \
 && /opt/shop/bin/pip uninstall --yes pip \
 && find /opt/shop/lib -name __pycache__ -prune -exec rm -r {} + \
 && find /opt/shop/lib -type f \( -name '*.c' -o -name '*.pyx' -o -name '*.map' \
      -o -name 'swagger-editor*' \) -delete \
 && find /opt/shop/lib/python*/site-packages/asyncmy /opt/shop/lib/python*/site-packages/uvloop \
      -name '*.so' -exec strip --strip-unneeded {} + \
 && python -m compileall -q /opt/shop/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="shop" \
      org.opencontainers.image.description="An e-commerce platform in one Python process." \
      org.opencontainers.image.licenses="Apache-2.0"
# What the two programs of `shop backup` and `shop restore` need; the package itself brings Perl.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libedit2 libncurses6 libstdc++6 \
 && rm -r /var/lib/apt/lists/*
RUN groupadd --gid 10001 shop \
 && useradd --uid 10001 --gid shop --no-create-home --home-dir /data shop \
 && install --directory --owner shop --group shop /data
COPY --from=build /usr/bin/mariadb /usr/bin/mariadb-dump /usr/bin/
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
