# One image for both programs: `relay serve` (the default) and `relay worker MODULE:NAME`.

# Any Debian-like image with Python 3.11 or newer and its venv module will do;
# deploy/image-check passes one made with debootstrap.
ARG BASE=python:3.13-slim

# --- First stage: a wheel of the project and of everything it needs, installed into /opt/relay.
FROM ${BASE} AS build
RUN python3 -m venv /opt/build
WORKDIR /src
# .dockerignore lets in only what the wheel and the examples are made of.
COPY . .
# A company's package index and its certificate authority come in as secrets,
# so that neither addresses nor passwords stay in a layer. Both may be left out.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=pip_ca,target=/run/secrets/pip_ca \
    /opt/build/bin/pip wheel --no-cache-dir --wheel-dir /wheels '.[asymmetric]'
# No pip in the environment that is shipped: nothing is installed at run time.
RUN python3 -m venv --without-pip /opt/relay \
    && /opt/build/bin/pip --python /opt/relay install \
       --no-cache-dir --no-index --find-links /wheels 'webhook-relay[asymmetric]'

# --- Second stage: what runs. No compiler, no pip cache, no source tree.
FROM ${BASE}

# A fixed number, so that volumes and secret files can be given to it,
# and so that Kubernetes' runAsNonRoot can see that it is not root.
ARG UID=10001
RUN groupadd --gid ${UID} relay \
    && useradd --uid ${UID} --gid ${UID} --no-create-home --home-dir /app --shell /usr/sbin/nologin relay \
    # For a volume that a spool is on: a new one takes over whose this is.
    && install --directory --owner ${UID} --group ${UID} --mode 700 /var/lib/relay

COPY --from=build /opt/relay /opt/relay
# The code belongs to root and the program runs as someone else, so it cannot change itself.
WORKDIR /app
COPY examples ./examples

# Unbuffered: the last lines before a crash reach `docker logs`.
ENV PATH=/opt/relay/bin:$PATH \
    PYTHONUNBUFFERED=1

USER ${UID}:${UID}
# 8080 takes deliveries; 8081 (metrics, admin API) is for the inner network only.
EXPOSE 8080 8081

# Exec form: no shell in between, so SIGTERM reaches the program and the shutdown is a clean one.
ENTRYPOINT ["relay"]
CMD ["serve", "--host", "0.0.0.0"]
