"""The simulated quantum network: noise, links that carry and charge, and their settings."""
