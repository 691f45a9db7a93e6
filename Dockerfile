# One image for every role: `serve`, `work`, `migrate` (see docs/running.md). No compiler, no npm and no root in it.

# ---- the browser libraries of our pages, from their lock file with hashes
FROM node:24-slim AS assets
WORKDIR /build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-minimal libpython3-stdlib && rm -rf /var/lib/apt/lists/*
COPY app/__init__.py app/__init__.py
COPY app/web/__init__.py app/web/assets.py app/web/package.json app/web/package-lock.json app/web/
RUN python3 -m app.web.assets

# ---- the Python packages, from a lock file with hashes; requirements-otel.lock has what exports traces as well
FROM python:3.11-slim AS packages
ARG LOCK=requirements.lock
COPY requirements.lock requirements-otel.lock ./
RUN python -m venv /opt/slotwright \
    && /opt/slotwright/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement "$LOCK" \
    && /opt/slotwright/bin/pip uninstall --yes pip setuptools

# ---- what runs
FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin slotwright
ENV PATH=/opt/slotwright/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /srv/slotwright
COPY --from=packages /opt/slotwright /opt/slotwright
COPY LICENSE ./
COPY sql/migrations sql/migrations
COPY sql/queries sql/queries
COPY app app
COPY --from=assets /build/app/web/vendor app/web/vendor
RUN python -m compileall -q app
USER slotwright
EXPOSE 8000
STOPSIGNAL SIGTERM
# For `serve`; compose says what it is for the worker, and a one-shot needs none.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
