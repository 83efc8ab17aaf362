"""Pictures of explanations: overlay, heat map, panels, strips. matplotlib is imported here and
above only.
"""
