# One image for every role: `docker run shop run --role api`, `… --role consumer`, `… migrate`.
# It holds Python, the shop, and what these load: no shell, no package manager, no installer.

FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# For `shop backup` and `shop restore`: the programs, and how MySQL 8 wants to be logged in to.
# No versions: Debian keeps only the newest of a release, and the tag above says which release.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends binutils libmariadb3 mariadb-client \
 && rm -r /var/lib/apt/lists/*
WORKDIR /build
COPY requirements.lock requirements-traces.lock requirements-build.lock ./
# `--build-arg TRACES=yes` adds what sends OpenTelemetry traces.
ARG TRACES=""
RUN python -m venv /opt/shop \
 && /opt/shop/bin/pip install --require-hashes --no-compile \
      -r requirements.lock ${TRACES:+-r requirements-traces.lock} \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes -r requirements-build.lock
COPY deploy/image/rootfs.py ./
RUN python rootfs.py /rootfs /opt/shop /usr/bin/mariadb /usr/bin/mariadb-dump \
      "/usr/lib/$(uname -m)-linux-gnu/libmariadb3/plugin" \
 && install --directory /rootfs/dev /rootfs/proc /rootfs/run /rootfs/sys \
 && install --directory --mode 1777 /rootfs/tmp \
 && printf 'root:x:0:0::/:\nshop:x:10001:10001::/data:\n' > /rootfs/etc/passwd \
 && printf 'root:x:0:\nshop:x:10001:\n' > /rootfs/etc/group
COPY pyproject.toml LICENSE README.md ./
COPY src src
# Apart from the rest, so that a new version is one small layer. Our sources stay in it: tracebacks
# shall show their lines, and migrations are loaded from files.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/shop/bin/pip install --no-deps --no-index --no-compile --root /app dist/*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash -s /app -p / /app \
 && install --directory /empty

FROM scratch
COPY --from=build /rootfs /
COPY --from=build --chown=10001:10001 /empty /data
COPY --from=build /app /
ARG VERSION="" REVISION="" SOURCE=""
LABEL org.opencontainers.image.title="shop" \
      org.opencontainers.image.description="An e-commerce platform in one Python process." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
ENV PATH=/opt/shop/bin:/usr/local/bin:/usr/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SHOP_DATA_DIR=/data \
    SHOP_HTTP_HOST=0.0.0.0 \
    SHOP_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
# The only place written to: the rest of the file system may be read-only.
VOLUME ["/data"]
# The shop, and what watches it; that one wants SHOP_OPS_HOST=0.0.0.0 to be asked from outside.
EXPOSE 8000 9000
STOPSIGNAL SIGTERM
# The ops port answers in every role.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('SHOP_OPS_PORT', '9000') + '/healthz', timeout=2)"]
ENTRYPOINT ["shop"]
CMD ["run"]
