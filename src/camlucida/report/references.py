"""The works that reports cite, by key. Only those cited are printed, in order of appearance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Reference:
    """A published work, as a list of references gives it."""

    authors: str
    title: str
    venue: str
    year: int

    def __str__(self) -> str:
        return f"{self.authors.removesuffix('.')}. {self.title}. {self.venue}, {self.year}."


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "selvaraju2017": Reference(
            "Selvaraju RR, Cogswell M, Das A, Vedantam R, Parikh D, Batra D",
            "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
            "IEEE International Conference on Computer Vision (ICCV)",
            2017,
        ),
        "rajpurkar2017": Reference(
            "Rajpurkar P, Irvin J, Zhu K, et al.",
            "CheXNet: Radiologist-Level Pneumonia Detection on Chest X-Rays with Deep Learning",
            "arXiv:1711.05225",
            2017,
        ),
        "saporta2022": Reference(
            "Saporta A, Gui X, Agrawal A, et al.",
            "Benchmarking saliency methods for chest X-ray interpretation",
            "Nature Machine Intelligence 4:867–878",
            2022,
        ),
        "adebayo2018": Reference(
            "Adebayo J, Gilmer J, Muelly M, Goodfellow I, Hardt M, Kim B",
            "Sanity Checks for Saliency Maps",
            "Advances in Neural Information Processing Systems (NeurIPS) 31",
            2018,
        ),
        "zhou2016": Reference(
            "Zhou B, Khosla A, Lapedriza A, Oliva A, Torralba A",
            "Learning Deep Features for Discriminative Localization",
            "IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
            2016,
        ),
        "chattopadhay2018": Reference(
            "Chattopadhay A, Sarkar A, Howlader P, Balasubramanian VN",
            "Grad-CAM++: Generalized Gradient-Based Visual Explanations for Deep "
            "Convolutional Networks",
            "IEEE Winter Conference on Applications of Computer Vision (WACV)",
            2018,
        ),
        "draelos2020": Reference(
            "Draelos RL, Carin L",
            "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional "
            "neural networks",
            "arXiv:2011.08891",
            2020,
        ),
        "fu2020": Reference(
            "Fu R, Hu Q, Dong X, Guo Y, Gao Y, Li B",
            "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs",
            "British Machine Vision Conference (BMVC)",
            2020,
        ),
        "jiang2021": Reference(
            "Jiang PT, Zhang CB, Hou Q, Cheng MM, Wei Y",
            "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization",
            "IEEE Transactions on Image Processing 30:5875–5888",
            2021,
        ),
        "fuad2020": Reference(
            "Fuad KAA, Martin PE, Giot R, Bourqui R, Benois-Pineau J, Zemmari A",
            "Features Understanding in 3D CNNs for Actions Recognition in Video",
            "International Conference on Image Processing Theory, Tools and Applications (IPTA)",
            2020,
        ),
        "karmani2024": Reference(
            "Karmani S, Sivakaran T, Prasad G, et al.",
            "KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA",
            "arXiv:2410.00267",
            2024,
        ),
        "chung2025": Reference(
            "Chung CT, Ying JJC",
            "Seg-Eigen-CAM: Eigen-Value-Based Visual Explanations for Semantic Segmentation Models",
            "Applied Sciences 15(13):7562",
            2025,
        ),
        "zhang2025": Reference(
            "Zhang Z, Gu J, Chowdhury A, et al.",
            "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation",
            "IEEE Conference on Computer Vision and Pattern Recognition (CVPR)",
            2025,
        ),
        "cai2025": Reference(
            "Cai H",
            "CAMs as Shapley Value-based Explainers",
            "arXiv:2501.06261",
            2025,
        ),
        "omeiza2019": Reference(
            "Omeiza D, Speakman S, Cintas C, Weldermariam K",
            "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep "
            "Convolutional Neural Network Models",
            "arXiv:1908.01224",
            2019,
        ),
        "shrikumar2016": Reference(
            "Shrikumar A, Greenside P, Shcherbina A, Kundaje A",
            "Not Just a Black Box: Learning Important Features Through Propagating Activation "
            "Differences",
            "arXiv:1605.01713",
            2016,
        ),
        "smilkov2017": Reference(
            "Smilkov D, Thorat N, Kim B, Viégas F, Wattenberg M",
            "SmoothGrad: removing noise by adding noise",
            "arXiv:1706.03825",
            2017,
        ),
        "sundararajan2017": Reference(
            "Sundararajan M, Taly A, Yan Q",
            "Axiomatic Attribution for Deep Networks",
            "International Conference on Machine Learning (ICML)",
            2017,
        ),
        "erion2021": Reference(
            "Erion G, Janizek JD, Sturmfels P, Lundberg SM, Lee SI",
            "Improving performance of deep learning models with axiomatic attribution priors and "
            "expected gradients",
            "Nature Machine Intelligence 3:620–631",
            2021,
        ),
        "kapishnikov2019": Reference(
            "Kapishnikov A, Bolukbasi T, Viégas F, Terry M",
            "XRAI: Better Attributions Through Regions",
            "IEEE International Conference on Computer Vision (ICCV)",
            2019,
        ),
        "bach2015": Reference(
            "Bach S, Binder A, Montavon G, Klauschen F, Müller KR, Samek W",
            "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise "
            "Relevance Propagation",
            "PLOS ONE 10(7):e0130140",
            2015,
        ),
        "lee2021": Reference(
            "Lee JR, Kim S, Park I, Eo T, Hwang D",
            "Relevance-CAM: Your Model Already Knows Where to Look",
            "IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
            2021,
        ),
        "springenberg2015": Reference(
            "Springenberg JT, Dosovitskiy A, Brox T, Riedmiller M",
            "Striving for Simplicity: The All Convolutional Net",
            "ICLR Workshops",
            2015,
        ),
        "srinivas2019": Reference(
            "Srinivas S, Fleuret F",
            "Full-Gradient Representation for Neural Network Visualization",
            "Advances in Neural Information Processing Systems (NeurIPS)",
            2019,
        ),
        "gal2016": Reference(
            "Gal Y, Ghahramani Z",
            "Dropout as a Bayesian Approximation: Representing Model Uncertainty in Deep Learning",
            "International Conference on Machine Learning (ICML)",
            2016,
        ),
        "abnar2020": Reference(
            "Abnar S, Zuidema W",
            "Quantifying Attention Flow in Transformers",
            "Annual Meeting of the Association for Computational Linguistics (ACL)",
            2020,
        ),
        "chefer2021": Reference(
            "Chefer H, Gur S, Wolf L",
            "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder "
            "Transformers",
            "IEEE/CVF International Conference on Computer Vision (ICCV)",
            2021,
        ),
        "domeniconi2026": Reference(
            "Domeniconi L, Stramiglio A, Lombardi M, Salti S",
            "How to Evaluate and Refine your CAM",
            "arXiv:2605.14641",
            2026,
        ),
        "bousselham2025": Reference(
            "Bousselham W, Boggust A, Chaybouti S, Strobelt H, Kuehne H",
            "LeGrad: An Explainability Method for Vision Transformers via Feature Formation "
            "Sensitivity",
            "IEEE/CVF International Conference on Computer Vision (ICCV)",
            2025,
        ),
        "zeiler2014": Reference(
            "Zeiler MD, Fergus R",
            "Visualizing and Understanding Convolutional Networks",
            "European Conference on Computer Vision (ECCV)",
            2014,
        ),
        "petsiuk2018": Reference(
            "Petsiuk V, Das A, Saenko K",
            "RISE: Randomized Input Sampling for Explanation of Black-box Models",
            "British Machine Vision Conference (BMVC)",
            2018,
        ),
        "muhammad2020": Reference(
            "Muhammad MB, Yeasin M",
            "Eigen-CAM: Class Activation Map using Principal Components",
            "International Joint Conference on Neural Networks (IJCNN)",
            2020,
        ),
        "ramaswamy2020": Reference(
            "Ramaswamy HG, Desai S",
            "Ablation-CAM: Visual Explanations for Deep Convolutional Network via "
            "Gradient-free Localization",
            "IEEE Winter Conference on Applications of Computer Vision (WACV)",
            2020,
        ),
        "wang2020": Reference(
            "Wang H, Wang Z, Du M, et al.",
            "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks",
            "IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops (CVPRW)",
            2020,
        ),
        "wang2020ss": Reference(
            "Wang H, Naidu R, Michael J, Kundu SS",
            "SS-CAM: Smoothed Score-CAM for Sharper Visual Feature Localization",
            "arXiv:2006.14255",
            2020,
        ),
        "naidu2020": Reference(
            "Naidu R, Ghosh A, Maurya Y, Nayak SR, Kundu SS",
            "IS-CAM: Integrated Score-CAM for axiomatic-based explanations",
            "arXiv:2010.03023",
            2020,
        ),
        "zhang2021": Reference(
            "Zhang Q, Rao L, Yang Y",
            "Group-CAM: Group Score-Weighted Visual Explanations for Deep Convolutional Networks",
            "arXiv:2103.13859",
            2021,
        ),
        "rong2022": Reference(
            "Rong Y, Leemann T, Borisov V, Kasneci G, Kasneci E",
            "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
            "International Conference on Machine Learning (ICML)",
            2022,
        ),
        "bland1986": Reference(
            "Bland JM, Altman DG",
            "Statistical methods for assessing agreement between two methods of clinical "
            "measurement",
            "The Lancet 327(8476):307–310",
            1986,
        ),
        "efron1987": Reference(
            "Efron B",
            "Better Bootstrap Confidence Intervals",
            "Journal of the American Statistical Association 82(397):171–185",
            1987,
        ),
        "wilson1927": Reference(
            "Wilson EB",
            "Probable Inference, the Law of Succession, and Statistical Inference",
            "Journal of the American Statistical Association 22(158):209–212",
            1927,
        ),
        "hesterberg2015": Reference(
            "Hesterberg TC",
            "What Teachers Should Know About the Bootstrap: Resampling in the Undergraduate "
            "Statistics Curriculum",
            "The American Statistician 69(4):371–386",
            2015,
        ),
        "tejani2024": Reference(
            "Tejani AS, Klontzas ME, Gatti AA, et al.",
            "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
            "Radiology: Artificial Intelligence 6(4):e240300",
            2024,
        ),
        "sounderajah2025": Reference(
            "Sounderajah V, Guni A, Liu X, et al.",
            "The STARD-AI reporting guideline for diagnostic accuracy studies using artificial "
            "intelligence",
            "Nature Medicine 31:3283–3289",
            2025,
        ),
        "collins2024": Reference(
            "Collins GS, Moons KGM, Dhiman P, et al.",
            "TRIPOD+AI statement: updated guidance for reporting clinical prediction models that "
            "use regression or machine learning methods",
            "BMJ 385:e078378",
            2024,
        ),
    }
)
