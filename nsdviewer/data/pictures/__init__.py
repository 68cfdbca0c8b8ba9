"""What was shown: the brick of stimuli, thumbnails, COCO, and the photographs that we ship."""
