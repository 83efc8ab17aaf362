"""The protocol of CheXlocalize (Saporta 2022) on saved maps: no model runs.

Overlap and hit of each map with the segmentation of its label, and precision, recall and
specificity over the pixels of all images, with Otsu's threshold and with one tuned per label.
"""
