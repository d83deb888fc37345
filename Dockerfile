# Every step of the pipeline runs in this image. The targets cpu and gpu hold the same code. `make image` builds it.
#
# A step runs as `python -m pipeline.run_node …` and as user 1000, who can write only to /tmp and to mounted volumes. For
# people, the image is the command `simclr`: see docs/docker.md.
# If pip and uv need a certificate or settings in your network, let BUILD_BASE name a base image that has them, with the
# same Debian release as BASE. Only the installed packages reach the final image.
ARG BASE=debian:trixie-slim
ARG BUILD_BASE=${BASE}

# -- The start of both targets. Debian 13 has Python 3.13 and the glibc that ML Metadata's wheels need.
FROM ${BASE} AS runtime
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 simclr \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin simclr
# A Kubeflow task sets these too; here they let the image behave alike when you start it by hand.
ENV PATH=/opt/venv/bin:/opt/simclr/bin:${PATH} PYTHONPATH=/opt/simclr HOME=/tmp
WORKDIR /tmp
USER 1000:1000
# `docker run IMAGE run …` is `simclr run …`, and `docker run IMAGE python …` is python. A Kubeflow task names its own
# command, which replaces this one; KFP's local runner does not, so the first word decides.
ENTRYPOINT ["sh", "-c", "case \"$1\" in -*) ;; *) command -v \"$1\" > /dev/null && exec \"$@\" ;; esac; exec simclr \"$@\"", "simclr"]
CMD ["--help"]
LABEL org.opencontainers.image.title="simclr-pipeline" \
      org.opencontainers.image.description="Every step of a TFX pipeline that turns images with few labels into an encoder"

# -- The packages of the current version set, without the developer tools.
FROM ${BUILD_BASE} AS packages
ARG UV=uv==0.13.9
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++ python3-dev python3-venv \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --quiet ${UV} \
    && python3 -m venv --without-pip /opt/venv
COPY requirements/current.lock /requirements/current.lock
# Steps do not need TensorFlow's C++ headers, which are for compiling operations. The imports write the byte code of the
# modules that steps load, because user 1000 could not write it later.
RUN grep --invert-match --extended-regexp '^(mypy|pytest|pytest-xdist|ruff)==' /requirements/current.lock \
        > /requirements/image.lock \
    && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --requirement /requirements/image.lock \
    && rm -r /opt/venv/lib/python3.13/site-packages/tensorflow/include \
    && /opt/venv/bin/python -c 'import tfx.v1, tensorflow, ml_metadata, tensorflow_model_analysis, cv2, sklearn.manifold'

# -- The code, installed by setup.py, and the graphs of the named configs, compiled by this code.
FROM packages AS code
COPY setup.py pyproject.toml /source/
COPY components /source/components
COPY pipeline /source/pipeline
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-build-isolation --no-cache \
        --target /opt/simclr /source \
    && cd /opt/simclr && mkdir graphs \
    && for config in pipeline/configs/*.yaml; do \
           PYTHONPATH=/opt/simclr /opt/venv/bin/python -m pipeline compile --config "${config}" --graph graphs || exit 1; \
       done \
    && /opt/venv/bin/python -m compileall -q components pipeline

FROM runtime AS cpu
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /opt/simclr /opt/simclr
RUN python -c 'import tfx, tensorflow, ml_metadata' && python -m pipeline.run_node --help > /dev/null
ARG REVISION=unknown
LABEL org.opencontainers.image.revision=${REVISION}

# -- The image of `make test-in-image`: the cpu target, pytest with the plug-in that runs it in several processes, and kfp
# in an environment of its own. The tests themselves come from a checkout. These stages stand before those of gpu, because
# a builder without BuildKit also builds every stage above the requested one.
FROM packages AS developer
COPY requirements/kubeflow.lock /requirements/kubeflow.lock
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --target /opt/developer \
        $(grep --only-matching --extended-regexp '^pytest(-xdist)?==[^ ]*' /requirements/current.lock) \
    && python3 -m venv --without-pip /opt/kfp \
    && /opt/uv/bin/uv pip install --python /opt/kfp/bin/python --no-deps --no-cache \
        --requirement /requirements/kubeflow.lock

FROM cpu AS test
COPY --from=developer /opt/developer /opt/developer
COPY --from=developer /opt/kfp /opt/kfp
ENV PYTHONPATH=/source:/opt/developer SIMCLR_KFP_PYTHON=/opt/kfp/bin/python
WORKDIR /source

# -- The NVIDIA libraries that TensorFlow was built for. TensorFlow finds them in its own site-packages.
FROM packages AS cuda
COPY requirements/gpu.lock /requirements/gpu.lock
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --target /opt/cuda \
        $(grep --only-matching '^nvidia-[^ ]*' /requirements/gpu.lock)

FROM runtime AS gpu
COPY --from=packages /opt/venv /opt/venv
COPY --from=cuda /opt/cuda /opt/venv/lib/python3.13/site-packages
# Check that the libraries load which TensorFlow opens when it sees a GPU. The driver, libcuda, comes from the node.
RUN cd /opt/venv/lib/python3.13/site-packages/nvidia \
    && python -c 'import ctypes, sys; [ctypes.CDLL(library) for library in sys.argv[1:]]' \
        cuda_runtime/lib/libcudart.so.12 cublas/lib/libcublas.so.12 cudnn/lib/libcudnn.so.9 cufft/lib/libcufft.so.11 \
        cusolver/lib/libcusolver.so.11 cusparse/lib/libcusparse.so.12 nccl/lib/libnccl.so.2
COPY --from=code /opt/simclr /opt/simclr
RUN python -c 'import tfx, tensorflow, ml_metadata' && python -m pipeline.run_node --help > /dev/null
ARG REVISION=unknown
LABEL org.opencontainers.image.revision=${REVISION}
