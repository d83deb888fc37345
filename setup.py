"""One package for three installers: developer, container image, Beam worker."""

import setuptools

setuptools.setup(
    name="simclr-pipeline",
    version="0.1.0",
    description="A TFX pipeline that turns images with few labels into a registered encoder",
    author="The simclr-pipeline authors",
    license="Apache-2.0",
    packages=setuptools.find_packages(include=["pipeline", "pipeline.*", "components", "components.*"]),
    package_data={"pipeline": ["configs/*.yaml"], "components.report": ["*.html", "*.css", "*.js"]},
    python_requires=">=3.10,<3.14",
    # What the code imports itself; requirements/*.lock pin these packages and their dependencies.
    install_requires=[
        "apache-beam",
        "google-crc32c",
        "jinja2",
        "keras",
        "ml-metadata",
        "model-registry",
        "numpy",
        "opencv-python-headless",
        "pillow",
        "pyarrow",
        "pydantic",
        "pyyaml",
        "scikit-learn",
        "scipy",
        "tensorflow",
        "tensorflow-data-validation",
        "tensorflow-model-analysis",
        "tensorflow-transform",
        "tfx",
    ],
    entry_points={"console_scripts": ["simclr=pipeline.cli:main"]},
)
