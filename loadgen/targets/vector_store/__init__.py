"""What stores of vectors have in common; chroma.py and qdrant.py beside this folder are their dialects."""
