"""Named combinations of sliders. Sliders without a side are given for both and may come out asymmetric."""

from __future__ import annotations

from collections.abc import Mapping

Sliders = Mapping[str, float]

SMILES: tuple[Sliders, ...] = (  # lips together or apart
    {"mouthSmile": 0.7, "cheekSquint": 0.35, "eyeSquint": 0.2},
    {"mouthSmile": 0.35, "mouthDimple": 0.4, "mouthPress": 0.2},
    {"mouthSmile": 0.5, "mouthPress": 0.35, "cheekSquint": 0.2, "browInnerUp": 0.15},
    {"mouthSmile": 0.85, "cheekSquint": 0.55, "eyeSquint": 0.35, "cheekRaiser": 0.3},
)
TOOTHY: tuple[Sliders, ...] = (
    {"mouthSmile": 0.95, "cheekSquint": 0.6, "eyeSquint": 0.45, "mouthUpperUp": 0.35, "jawOpen": 0.12},
    {"mouthSmile": 0.6, "mouthLowerDown": 0.35, "mouthUpperUp": 0.45, "mouthStretch": 0.2},
    {"mouthSmile": 0.8, "mouthUpperUp": 0.3, "jawOpen": 0.06, "cheekSquint": 0.4, "eyeSquint": 0.25},
)
LAUGHS: tuple[Sliders, ...] = (
    {"mouthSmile": 0.8, "jawOpen": 0.4, "mouthUpperUp": 0.4, "mouthLowerDown": 0.3, "cheekSquint": 0.6},
    {"mouthSmile": 1.0, "jawOpen": 0.3, "mouthUpperUp": 0.4, "cheekSquint": 0.8, "eyeSquint": 0.7, "eyeBlink": 0.5},
    {"mouthSmile": 0.9, "jawOpen": 0.55, "cheekSquint": 0.7, "eyeBlink": 1.0, "browInnerUp": 0.2},
)
ACTED: tuple[Sliders, ...] = (
    {"browInnerUp": 0.8, "browOuterUp": 0.7, "eyeWide": 0.7, "jawOpen": 0.5},
    {"browInnerUp": 0.5, "browOuterUp": 0.5, "eyeWide": 0.3},
    {"browDown": 0.8, "eyeSquint": 0.4, "mouthPress": 0.5, "noseSneer": 0.25},
    {"browDown": 0.9, "noseSneer": 0.7, "jawOpen": 0.35, "mouthUpperUp": 0.5, "mouthStretch": 0.4, "eyeWide": 0.3},
    {"browInnerUp": 0.7, "mouthFrown": 0.7, "mouthShrugLower": 0.4, "eyeBlink": 0.15},
    {"noseSneer": 0.8, "mouthUpperUp": 0.5, "browDown": 0.4, "mouthFrown": 0.3, "eyeSquint": 0.4},
    {"browInnerUp": 0.8, "eyeWide": 0.6, "mouthStretch": 0.6, "jawOpen": 0.2},
    {"jawOpen": 0.9, "mouthStretch": 0.2, "eyeSquint": 0.4, "browInnerUp": 0.3},
    {"jawOpen": 0.8, "mouthFunnel": 0.4, "browInnerUp": 0.4, "eyeBlink": 0.4},
)
THINKING: tuple[Sliders, ...] = (  # attentive, doubtful, weary
    {"browDown": 0.5, "eyeSquint": 0.5, "cheekSquint": 0.2},
    {"browDown": 0.35, "browFurrow": 0.4, "mouthPress": 0.4},
    {"mouthPress": 0.7, "mouthRollLower": 0.4, "mouthRollUpper": 0.4},
    {"mouthShrugUpper": 0.5, "mouthShrugLower": 0.7, "browInnerUp": 0.4},
    {"browInnerUp": 0.5, "browOuterUp": 0.4},
    {"mouthFrown": 0.4, "mouthPress": 0.3, "browInnerUp": 0.2},
    {"mouthLeft": 0.4, "mouthPress": 0.3, "eyeSquint": 0.2},
    {"browInnerUp": 0.3, "eyeBlink": 0.3, "mouthFrown": 0.15},
)
PLAYFUL: tuple[Sliders, ...] = (
    {"mouthPucker": 0.85, "mouthFunnel": 0.15},
    {"mouthPucker": 0.6, "cheekPuff": 0.2, "browOuterUp": 0.3},
    {"cheekPuff": 0.9, "mouthPress": 0.3},
    {"tongueOut": 0.8, "jawOpen": 0.45},
    {"jawOpen": 0.25, "mouthRollLower": 0.6},
    {"mouthSmile": 0.5, "mouthRight": 0.4, "browOuterUp": 0.4},
)
CHEWING: tuple[Sliders, ...] = (
    {"jawOpen": 0.12, "jawLeft": 0.3, "cheekPuff": 0.25, "mouthPress": 0.2},
    {"jawOpen": 0.2, "jawRight": 0.35, "mouthPucker": 0.2, "cheekPuff": 0.2},
    {"jawOpen": 0.08, "mouthRollLower": 0.3, "mouthLeft": 0.25, "cheekPuff": 0.3},
)
VISEMES: tuple[Sliders, ...] = (
    {"jawOpen": 0.45, "mouthLowerDown": 0.2},
    {"jawOpen": 0.25, "mouthStretch": 0.3, "mouthLowerDown": 0.25},
    {"jawOpen": 0.12, "mouthSmile": 0.3, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},
    {"jawOpen": 0.3, "mouthFunnel": 0.7},
    {"jawOpen": 0.1, "mouthPucker": 0.7, "mouthFunnel": 0.3},
    {"mouthPress": 0.5, "mouthRollLower": 0.3, "mouthRollUpper": 0.3},
    {"jawOpen": 0.08, "mouthRollLower": 0.5, "mouthUpperUp": 0.25},
    {"jawOpen": 0.15, "mouthFunnel": 0.5, "mouthShrugUpper": 0.3},
    {"jawOpen": 0.2, "mouthUpperUp": 0.2, "mouthLowerDown": 0.3},
    {"jawOpen": 0.07, "mouthLowerDown": 0.1},
    {"jawOpen": 0.15, "mouthClose": 0.12},
)
EMPHASIS: tuple[Sliders, ...] = (  # what brows and eyes do while the mouth talks
    {},
    {"browInnerUp": 0.4, "browOuterUp": 0.4},
    {"browDown": 0.35},
    {"browInnerUp": 0.5},
    {"eyeSquint": 0.3, "cheekSquint": 0.15},
    {"eyeWide": 0.3, "browOuterUp": 0.3},
)
