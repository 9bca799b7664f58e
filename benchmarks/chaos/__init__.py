"""Whether anything is lost or said twice when everything fails."""
