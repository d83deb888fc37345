# The image in which every step of the pipeline runs; targets cpu and gpu hold the same code. `make image` builds it.
#
# A step is started as `python -m pipeline.run_node …` by user 1000, who can write to /tmp and to mounted volumes only.
# BUILD_BASE is for networks where pip or uv need a certificate or settings of their own: a base that has them, of which
# nothing but the installed packages reaches the image. It must have the same Debian release as BASE.
ARG BASE=debian:trixie-slim
ARG BUILD_BASE=${BASE}

# -- What both targets start from; Debian 13 has Python 3.13 and the glibc that ML Metadata's wheels need.
FROM ${BASE} AS runtime
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 simclr \
    && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin simclr
# What a Kubeflow task sets as well, so that the image behaves alike when started by hand.
ENV PATH=/opt/venv/bin:/opt/simclr/bin:${PATH} PYTHONPATH=/opt/simclr HOME=/tmp
WORKDIR /tmp
USER 1000:1000
CMD ["python", "-m", "pipeline.run_node", "--help"]
LABEL org.opencontainers.image.title="simclr-pipeline" \
      org.opencontainers.image.description="Every step of a TFX pipeline that turns images with few labels into an encoder"

# -- The packages of the current version set, without the tools of developers.
FROM ${BUILD_BASE} AS packages
ARG UV=uv==0.13.9
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++ python3-dev python3-venv \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --quiet ${UV} \
    && python3 -m venv --without-pip /opt/venv
COPY requirements/current.lock /requirements/current.lock
# TensorFlow's C++ headers are for compiling operations. Importing writes the byte code that user 1000 could not write:
# of what a step loads, not of everything.
RUN grep --invert-match --extended-regexp '^(pytest|ruff)==' /requirements/current.lock > /requirements/image.lock \
    && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --requirement /requirements/image.lock \
    && rm -r /opt/venv/lib/python3.13/site-packages/tensorflow/include \
    && /opt/venv/bin/python -c 'import tfx.v1, tensorflow, ml_metadata, tensorflow_model_analysis, cv2, sklearn.manifold'

# -- The code, installed as setup.py says, and the graphs that this very code compiles, for the named configs.
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

# -- What `make test-in-image` runs the tests in, which come from a checkout: the cpu target, pytest, and kfp by itself.
# Before the stages of gpu, because a builder without BuildKit makes every stage above the one it is asked for.
FROM packages AS developer
COPY requirements/kubeflow.lock /requirements/kubeflow.lock
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --target /opt/developer \
        $(grep --only-matching '^pytest==[^ ]*' /requirements/current.lock) \
    && python3 -m venv --without-pip /opt/kfp \
    && /opt/uv/bin/uv pip install --python /opt/kfp/bin/python --no-deps --no-cache \
        --requirement /requirements/kubeflow.lock

FROM cpu AS test
COPY --from=developer /opt/developer /opt/developer
COPY --from=developer /opt/kfp /opt/kfp
ENV PYTHONPATH=/source:/opt/developer SIMCLR_KFP_PYTHON=/opt/kfp/bin/python
WORKDIR /source

# -- NVIDIA's libraries that TensorFlow was built for; TensorFlow finds them beside itself.
FROM packages AS cuda
COPY requirements/gpu.lock /requirements/gpu.lock
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-cache --target /opt/cuda \
        $(grep --only-matching '^nvidia-[^ ]*' /requirements/gpu.lock)

FROM runtime AS gpu
COPY --from=packages /opt/venv /opt/venv
COPY --from=cuda /opt/cuda /opt/venv/lib/python3.13/site-packages
# What TensorFlow opens when it sees a GPU; the driver, libcuda, is the node's.
RUN cd /opt/venv/lib/python3.13/site-packages/nvidia \
    && python -c 'import ctypes, sys; [ctypes.CDLL(library) for library in sys.argv[1:]]' \
        cuda_runtime/lib/libcudart.so.12 cublas/lib/libcublas.so.12 cudnn/lib/libcudnn.so.9 cufft/lib/libcufft.so.11 \
        cusolver/lib/libcusolver.so.11 cusparse/lib/libcusparse.so.12 nccl/lib/libnccl.so.2
COPY --from=code /opt/simclr /opt/simclr
RUN python -c 'import tfx, tensorflow, ml_metadata' && python -m pipeline.run_node --help > /dev/null
ARG REVISION=unknown
LABEL org.opencontainers.image.revision=${REVISION}
