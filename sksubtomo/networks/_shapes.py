"""How pooling shrinks a box; shared by encoder and decoder."""

from __future__ import annotations

from sksubtomo._utils._volumes import Shape3d

# The paper pools 28 to 7 (two blocks) and 64 to 4 (four blocks).
_LARGEST_FINAL_EDGE = 7
# Below it, 3 x 3 x 3 convolutions mostly see the zeros around the map.
_SMALLEST_AVERAGED_EDGE = 4


def default_n_blocks(volume_shape: Shape3d) -> int:
    """Smallest number of halvings that leaves no edge above 7 voxels, at least one.

    Examples
    --------
    >>> [default_n_blocks((edge, edge, edge)) for edge in (16, 28, 32, 64)]
    [2, 2, 3, 4]
    """
    n_blocks, longest = 1, _halved(max(volume_shape))
    while longest > _LARGEST_FINAL_EDGE:
        n_blocks, longest = n_blocks + 1, _halved(longest)
    return n_blocks


def default_n_residual_blocks(volume_shape: Shape3d) -> int:
    """Largest number of halvings that leaves no edge below 4 voxels, at least one.

    Examples
    --------
    >>> [default_n_residual_blocks((edge, edge, edge)) for edge in (8, 16, 28, 32, 64)]
    [1, 2, 3, 3, 4]
    """
    n_blocks, shortest = 1, _halved(min(volume_shape))
    while _halved(shortest) >= _SMALLEST_AVERAGED_EDGE:
        n_blocks, shortest = n_blocks + 1, _halved(shortest)
    return n_blocks


def pooled_shapes(volume_shape: Shape3d, n_blocks: int) -> list[Shape3d]:
    """Shapes of the feature maps from the input to the last max-pooling.

    Each pooling halves every edge and rounds up, so an odd edge loses nothing and an
    edge of one voxel stays.

    Parameters
    ----------
    volume_shape : tuple of int
        Edges of the box in voxels, z, y, x.
    n_blocks : int
        Number of poolings.

    Returns
    -------
    shapes : list of tuple of int
        ``n_blocks + 1`` shapes, the input's first.

    Raises
    ------
    ValueError
        If the box is down to one voxel before the last pooling.
    """
    shapes = [volume_shape]
    for block in range(n_blocks):
        if block and max(shapes[-1]) == 1:
            raise ValueError(
                f"A box of {volume_shape} voxels is too small for n_blocks={n_blocks}: after "
                f"{block} poolings one voxel is left. Use n_blocks={block} or larger boxes."
            )
        shapes.append(tuple(_halved(edge) for edge in shapes[-1]))  # type: ignore[arg-type]
    return shapes


def _halved(edge: int) -> int:
    return (edge + 1) // 2
