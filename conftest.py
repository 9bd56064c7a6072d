"""The suites need nothing from here: the plugin `harness.plugin` is registered by entry point."""

pytest_plugins = ["pytester"]
