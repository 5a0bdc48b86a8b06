# An image with the commands of the plugins; docs/how-to/run-in-a-container.md describes its use.
FROM python:3.13-slim-trixie AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /src
COPY pyproject.toml requirements.lock ./
RUN python -m pip install --no-cache-dir "$(grep -o '^uv==[0-9.]*' requirements.lock)"
# The dependencies are a layer of their own, which stays in the cache until one of them changes.
RUN --mount=type=cache,target=/root/.cache/uv \
    python -m venv --without-pip /opt/pixxel-singer \
    && uv pip install --python /opt/pixxel-singer --constraint requirements.lock \
      --requirement pyproject.toml --extra backfill --extra stac --extra store
COPY . .
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip install --python /opt/pixxel-singer --no-deps .

FROM python:3.13-slim-trixie
COPY --from=build /opt/pixxel-singer /opt/pixxel-singer
# Any user may write into a volume that is mounted here.
RUN install --directory --mode=1777 /data
ENV PATH=/opt/pixxel-singer/bin:$PATH HOME=/data
WORKDIR /data
USER 1000:1000
CMD ["tap-pixxel", "--help"]
