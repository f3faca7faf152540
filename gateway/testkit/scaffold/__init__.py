"""A channel to begin with: `sample` is one that works, `package` what makes a package of it."""
