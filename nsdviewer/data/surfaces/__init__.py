"""FreeSurfer folders: meshes, measures and flat patches."""
