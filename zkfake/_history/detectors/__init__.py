"""The detectors of the doctor, a subject each; and what several of them hear of."""
