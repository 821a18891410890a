"""The networks, one file each: paper, blocks, net, config, builder. Random weights unless a checkpoint is loaded."""
