"""One package for three installers: developer, container image, Beam worker."""

import setuptools

setuptools.setup(
    name="simclr-pipeline",
    version="0.1.0",
    description="A TFX pipeline that turns images with few labels into a registered encoder",
    packages=setuptools.find_packages(include=["pipeline", "pipeline.*", "components", "components.*"]),
    package_data={"pipeline": ["configs/*.yaml"], "components.report": ["*.html", "*.css", "*.js"]},
    python_requires=">=3.10,<3.14",
    entry_points={"console_scripts": ["simclr=pipeline.cli:main"]},
)
